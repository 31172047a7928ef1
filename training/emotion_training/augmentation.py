"""Change training images the way a robot's camera would: pose, light, blur, size, occlusion."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """
    Ranges of the random changes; each image draws its own.

    Attributes:
        rotation_deg: largest turn to either side.
        zoom: largest relative change of size, each axis a tenth of it apart at most.
        shift_px: largest shift along each axis.
        flip: probability of mirroring left and right.
        contrast: largest relative change of contrast about the mean.
        brightness: largest added grey value.
        erase: probability of a blank rectangle (Zhong et al., 2020).
        degrade: probability of one camera fault: fewer pixels, blur, motion, noise, jpeg, low light.

    """

    rotation_deg: float = 15.0
    zoom: float = 0.15
    shift_px: float = 4.5
    flip: float = 0.5
    contrast: float = 0.3
    brightness: float = 25.0
    erase: float = 0.35
    degrade: float = 0.25

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return changed copies of `images`, uint8 [N, 48, 48], drawn from `rng`."""
        return np.stack([self._one(image, rng) for image in images])

    def _one(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side = image.shape[0]
        centre = (side - 1) / 2
        angle, zoom, aspect, dx, dy, contrast, brightness = rng.uniform(-1, 1, 7)
        scale = 1 + self.zoom * zoom
        matrix = cv2.getRotationMatrix2D((centre, centre), self.rotation_deg * angle, scale)
        matrix[0, :2] *= 1 + 0.1 * self.zoom * aspect
        if rng.random() < self.flip:
            matrix[:, 2] += matrix[:, 0] * (side - 1)
            matrix[:, 0] *= -1
        matrix[:, 2] += self.shift_px * dx, self.shift_px * dy
        out = cv2.warpAffine(
            image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        gain = 1 + self.contrast * contrast
        mean = float(out.mean())
        out = cv2.convertScaleAbs(np.maximum(
            out.astype(np.float32) * gain + (mean * (1 - gain) + self.brightness * brightness), 0
        ))  # fmt: skip
        if rng.random() < self.degrade:
            out = _FAULTS[rng.integers(len(_FAULTS))](out, rng)
        if rng.random() < self.erase:
            height, width = rng.integers(side // 8, side // 2, 2)
            top, left = rng.integers(0, side - height), rng.integers(0, side - width)
            out[top : top + height, left : left + width] = rng.integers(256)
        return out


GENERATOR = Augmentation(15.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
"""Rotation, scaling and flip: what the founding study's ImageDataGenerator did."""


def _fewer_pixels(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = int(rng.integers(18, 40))
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8))


def _motion(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(image, -1, turned / max(turned.sum(), 1e-6))


def _noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noisy = image + rng.normal(0, rng.uniform(3, 20), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _low_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    dark = 255 * (image / 255.0) ** rng.uniform(1, 2) * rng.uniform(0.15, 0.7)
    return np.clip(dark + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


_FAULTS = (_fewer_pixels, _blur, _motion, _noise, _jpeg, _low_light)
