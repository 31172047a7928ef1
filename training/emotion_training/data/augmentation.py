# SPDX-License-Identifier: Apache-2.0
"""Random augmentation of training images: pose, light, occlusion and camera corruptions."""

from dataclasses import dataclass

import cv2
import numpy as np

from emotion_training.evaluate import corruptions


def _low_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gamma, gain = rng.uniform(1, 2), rng.uniform(0.15, 0.7)
    return corruptions.low_light(image, gain, gamma, rng)


def _glasses(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tint = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    return corruptions.glasses(image, int(rng.integers(1, 3)), tint, int(rng.integers(10, 90)))


RANDOM_CORRUPTIONS = {
    'fewer pixels': lambda image, rng: corruptions.fewer_pixels(image, int(rng.integers(18, 40))),
    'defocus': lambda image, rng: corruptions.defocus(image, rng.uniform(0.5, 1.8)),
    'motion blur': lambda image, rng: corruptions.motion_blur(
        image, int(rng.integers(3, 8)), rng.uniform(0, 180)
    ),
    'noise': lambda image, rng: corruptions.noise(image, rng.uniform(3, 20), rng),
    'jpeg': lambda image, rng: corruptions.jpeg(image, int(rng.integers(15, 60))),
    'low light': _low_light,
    'turned': lambda image, rng: corruptions.turned(image, rng.uniform(-45, 45)),
    'glasses': _glasses,
}
"""Random corruptions for `Augmentation.corruptions`: functions of image and generator."""


@dataclass(frozen=True)
class Augmentation:
    """
    Ranges and probabilities of random changes, drawn for each image.

    Attributes:
        rotation_deg: maximum rotation in either direction.
        zoom: maximum relative change of scale; the axes differ by a tenth of it at most.
        shift_px: maximum shift along each axis.
        flip: probability of a horizontal flip.
        contrast: maximum relative change of contrast about the mean.
        brightness: maximum change in gray levels.
        erase: probability of random erasing (Zhong et al., 2020).
        corrupt: probability of one of the `corruptions`, each equally likely.
        corruptions: names in `RANDOM_CORRUPTIONS`.
        loose: probability that `loose_crops` shows a face in a loose crop.

    """

    rotation_deg: float = 15.0
    zoom: float = 0.15
    shift_px: float = 4.5
    flip: float = 0.5
    contrast: float = 0.3
    brightness: float = 25.0
    erase: float = 0.35
    corrupt: float = 0.25
    corruptions: tuple[str, ...] = tuple(RANDOM_CORRUPTIONS)[:6]
    loose: float = 0.0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return augmented copies of `images`, uint8 [N, 48, 48]."""
        return np.stack([self._augment(image, rng) for image in images])

    def _augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
        offset = float(out.mean()) * (1 - gain) + self.brightness * brightness
        out = cv2.convertScaleAbs(np.maximum(out.astype(np.float32) * gain + offset, 0))
        if rng.random() < self.corrupt:
            out = RANDOM_CORRUPTIONS[self.corruptions[rng.integers(len(self.corruptions))]](
                out, rng
            )
        if rng.random() < self.erase:
            height, width = rng.integers(side // 8, side // 2, 2)
            top, left = rng.integers(0, side - height), rng.integers(0, side - width)
            out[top : top + height, left : left + width] = rng.integers(256)
        return out

    def loose_crops(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """
        Return copies of which a random part, `loose`, shows the face in a loose crop.

        This step is separate because teachers, which know tight crops only, predict before it.

        Args:
            faces: float32 [N, 48, 48, 1].
            rng: random generator.

        """
        faces = faces.copy()
        for index in np.flatnonzero(rng.random(len(faces)) < self.loose):
            face = faces[index, ..., 0]
            side_px = int(rng.integers(face.shape[0] // 2, face.shape[0]))
            top, left = rng.integers(0, face.shape[0] - side_px + 1, 2)
            border, gray = int(rng.choice(corruptions.SURROUNDINGS)), int(rng.integers(256))
            faces[index, ..., 0] = corruptions.loose(
                face, side_px, int(top), int(left), border, gray
            )
        return faces


IMAGE_DATA_GENERATOR = Augmentation(15.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
"""Rotation, scaling and flip, as in the original study's ImageDataGenerator."""
