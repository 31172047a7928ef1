# SPDX-License-Identifier: Apache-2.0
"""Random augmentation of training images: pose, light, occlusion and camera corruptions."""

from dataclasses import dataclass

import cv2
import numpy as np

from emotion_training.evaluate import corruptions


def _low_light(image: np.ndarray, rng: np.random.Generator, severity: float) -> np.ndarray:
    gamma, gain = rng.uniform(1, 2), rng.uniform(0.15 / severity, 0.7)
    return corruptions.low_light(image, gain, gamma, rng)


def _fewer_pixels(image: np.ndarray, rng: np.random.Generator, severity: float) -> np.ndarray:
    return corruptions.fewer_pixels(image, int(rng.integers(round(18 / severity), 40)))


def _motion_blur(image: np.ndarray, rng: np.random.Generator, severity: float) -> np.ndarray:
    length_px = int(rng.integers(3, round(8 * severity)))
    return corruptions.motion_blur(image, length_px, rng.uniform(0, 180))


def _glasses(image: np.ndarray, rng: np.random.Generator, _: float) -> np.ndarray:
    tint = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    return corruptions.glasses(image, int(rng.integers(1, 3)), tint, int(rng.integers(10, 90)))


RANDOM_CORRUPTIONS = {
    'fewer pixels': _fewer_pixels,
    'defocus': lambda image, rng, severity: corruptions.defocus(
        image, rng.uniform(0.5, 1.8 * severity)
    ),
    'motion blur': _motion_blur,
    'noise': lambda image, rng, severity: corruptions.noise(
        image, rng.uniform(3, 20 * severity), rng
    ),
    'jpeg': lambda image, rng, severity: corruptions.jpeg(
        image, int(rng.integers(round(15 / severity), 60))
    ),
    'low light': _low_light,
    'turned': lambda image, rng, _: corruptions.turned(image, rng.uniform(-45, 45)),
    'glasses': _glasses,
}
"""For `Augmentation.corruptions`: functions of image, generator and severity."""


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
        severity: of the strongest corruptions and erased areas, in units of the usual ones.
        loose: probability that `loose_crops` shows a face in a loose crop.
        weak: probability that `weaken` makes an expression weaker.

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
    severity: float = 1.0
    loose: float = 0.0
    weak: float = 0.0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return augmented copies of `images`, uint8 [N, 48, 48]."""
        return np.stack([self._corrupt(self._move(image, rng), rng) for image in images])

    def moved(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return copies of `images`, uint8 [N, 48, 48], in other positions and light only."""
        return np.stack([self._move(image, rng) for image in images])

    def corrupted(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return copies of `faces`, float32 [N, 48, 48, 1], some corrupted or partly erased."""
        whole = np.rint(faces[..., 0]).astype(np.uint8)
        corrupt = np.stack([self._corrupt(face, rng) for face in whole])
        return corrupt[..., None].astype(np.float32)

    def _move(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
        return cv2.convertScaleAbs(np.maximum(out.astype(np.float32) * gain + offset, 0))

    def _corrupt(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side, out = image.shape[0], image
        if rng.random() < self.corrupt:
            name = self.corruptions[rng.integers(len(self.corruptions))]
            out = RANDOM_CORRUPTIONS[name](out, rng, self.severity)
        if rng.random() < self.erase:
            largest = round(side / 2 * self.severity**0.5)
            height, width = rng.integers(side // 8, largest, 2)
            out = out.copy()
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

    def weaken(
        self, faces: np.ndarray, neutral: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """
        Return copies of which a random part, `weak`, is blended with an average neutral face.

        Teachers predict before it: the student learns to name a weak expression as they name the
        strong one.

        Args:
            faces: float32 [N, 48, 48, 1].
            neutral: mean of neutral faces, float32 [48, 48].
            rng: random generator.

        """
        faces = faces.copy()
        for index in np.flatnonzero(rng.random(len(faces)) < self.weak):
            faces[index, ..., 0] = corruptions.weak(
                faces[index, ..., 0], neutral, rng.uniform(0.15, 0.5)
            )
        return faces


IMAGE_DATA_GENERATOR = Augmentation(15.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
"""Rotation, scaling and flip, as in the original study's ImageDataGenerator."""
