"""Change training images the way a robot's camera would: pose, light, blur, size, occlusion."""

from dataclasses import dataclass

import cv2
import numpy as np

from emotion_training.evaluate import corruptions


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
        brightness: largest added gray value.
        erase: probability of a blank rectangle (Zhong et al., 2020).
        degrade: probability of one of the `faults`, drawn evenly.
        faults: names in `FAULTS`.
        loose: probability that `loosen` shows a face in a crop that is too large for it.

    """

    rotation_deg: float = 15.0
    zoom: float = 0.15
    shift_px: float = 4.5
    flip: float = 0.5
    contrast: float = 0.3
    brightness: float = 25.0
    erase: float = 0.35
    degrade: float = 0.25
    faults: tuple[str, ...] = (
        'fewer pixels', 'defocus', 'motion blur', 'noise', 'jpeg', 'low light',
    )  # fmt: skip
    loose: float = 0.0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return changed copies of `images`, uint8 [N, 48, 48], drawn from `rng`."""
        return np.stack([self._one(image, rng) for image in images])

    def _one(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side = image.shape[0]
        center = (side - 1) / 2
        angle, zoom, aspect, dx, dy, contrast, brightness = rng.uniform(-1, 1, 7)
        scale = 1 + self.zoom * zoom
        matrix = cv2.getRotationMatrix2D((center, center), self.rotation_deg * angle, scale)
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
            out = FAULTS[self.faults[rng.integers(len(self.faults))]](out, rng)
        if rng.random() < self.erase:
            height, width = rng.integers(side // 8, side // 2, 2)
            top, left = rng.integers(0, side - height), rng.integers(0, side - width)
            out[top : top + height, left : left + width] = rng.integers(256)
        return out

    def loosen(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """
        Return copies of which some show the face smaller, as whole heads or careless crops do.

        Apart from the other changes, because teachers are asked before: they know only tight crops.

        Args:
            faces: float32 [N, 48, 48, 1].
            rng: what to draw from.

        """
        faces = faces.copy()
        for at in np.flatnonzero(rng.random(len(faces)) < self.loose):
            faces[at, ..., 0] = _loose(faces[at, ..., 0], rng)
        return faces


GENERATOR = Augmentation(15.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
"""Rotation, scaling and flip: what the founding study's ImageDataGenerator did."""


def _loose(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side_px = int(rng.integers(image.shape[0] // 2, image.shape[0]))
    top, left = rng.integers(0, image.shape[0] - side_px + 1, 2)
    surroundings, gray = int(rng.choice(corruptions.SURROUNDINGS)), int(rng.integers(256))
    return corruptions.loose(image, side_px, int(top), int(left), surroundings, gray)


def _fewer_pixels(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.fewer_pixels(image, int(rng.integers(18, 40)))


def _defocus(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.defocus(image, rng.uniform(0.5, 1.8))


def _motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.motion_blur(image, int(rng.integers(3, 8)), rng.uniform(0, 180))


def _noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.noise(image, rng.uniform(3, 20), rng)


def _jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.jpeg(image, int(rng.integers(15, 60)))


def _low_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gamma, gain = rng.uniform(1, 2), rng.uniform(0.15, 0.7)
    return corruptions.low_light(image, gain, gamma, rng)


def _turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return corruptions.turned(image, rng.uniform(-45, 45))


def _glasses(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tint = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    return corruptions.glasses(image, int(rng.integers(1, 3)), tint, int(rng.integers(10, 90)))


FAULTS = {
    'fewer pixels': _fewer_pixels,
    'defocus': _defocus,
    'motion blur': _motion_blur,
    'noise': _noise,
    'jpeg': _jpeg,
    'low light': _low_light,
    'turned': _turned,
    'glasses': _glasses,
}
"""What `Augmentation.faults` may name."""
