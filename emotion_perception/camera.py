# SPDX-License-Identifier: Apache-2.0
"""A camera's lens: where each pixel looks, and the position of a face in front of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from emotion_perception.geometry import ROTATIONS, unrotate_points

EYE_CORNERS_M = 0.089
"""
Mean distance of the outer eye corners of adults in meters (Farkas, 1994, and the canonical face of
MediaPipe). Adults differ by about 5 % (standard deviation); children of six years have a tenth
less, so they are taken to be a tenth further away than they are.
"""

_SAME_ASPECT = 0.01
"""Largest relative difference of two aspect ratios that rounding explains."""


def is_same_view(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether images of two sizes, each width and height, have one aspect ratio."""
    (width, height), (other_width, other_height) = size, other
    return abs(width * other_height - height * other_width) <= _SAME_ASPECT * height * other_width


@dataclass(frozen=True)
class Camera:
    """
    A calibrated camera. Pixels are counted from the edge of the first one.

    Attributes:
        size: width and height of the image that it is calibrated for, in pixels.
        focal_px: focal lengths along x and y.
        center_px: x and y of the optical axis.
        distortion: coefficients of OpenCV's model; empty for none.
        fisheye: whether they are those of OpenCV's fisheye model (ROS calls it equidistant).
        rotate_deg: clockwise rotation of the images after the camera took them.

    """

    size: tuple[int, int]
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    distortion: tuple[float, ...] = ()
    fisheye: bool = False
    rotate_deg: int = 0

    @classmethod
    def from_field_of_view(cls, size: tuple[int, int], angle_rad: float) -> 'Camera':
        """
        Return a camera without distortion.

        Args:
            size: width and height of its images.
            angle_rad: angle of view along the longer side, above 0 and below pi.

        """
        focal_px = max(size) / 2 / math.tan(angle_rad / 2)
        return cls(size, (focal_px, focal_px), (size[0] / 2, size[1] / 2))

    def resized(self, size: tuple[int, int]) -> 'Camera':
        """
        Return the camera for its images after they were scaled to another size.

        Raises:
            ValueError: if the aspect ratio differs, so that they were cropped too.

        """
        if size == self.size:
            return self
        factors = size[0] / self.size[0], size[1] / self.size[1]
        if not is_same_view(size, self.size):
            raise ValueError(
                f'the camera is calibrated for {self.size[0]}x{self.size[1]} pixels, '
                f'the images have {size[0]}x{size[1]}'
            )
        return replace(
            self,
            size=size,
            focal_px=(self.focal_px[0] * factors[0], self.focal_px[1] * factors[1]),
            center_px=(self.center_px[0] * factors[0], self.center_px[1] * factors[1]),
        )

    def rotated(self, rotate_deg: int) -> 'Camera':
        """Return the camera for its images after a clockwise rotation by one of `ROTATIONS`."""
        assert rotate_deg in ROTATIONS
        return replace(self, rotate_deg=rotate_deg)

    def normalize(self, points: np.ndarray) -> np.ndarray:
        """
        Return the directions of points as x / z and y / z in the frame of the rotated image.

        Args:
            points: float [N, 2], in pixels of the rotated image.

        Returns:
            float64 [N, 2]; not finite where the lens model has no solution.

        """
        x, y = unrotate_points(np.asarray(points, np.float64), self.rotate_deg, *self.size).T
        x = (x - self.center_px[0]) / self.focal_px[0]
        y = (y - self.center_px[1]) / self.focal_px[1]
        if self.distortion and len(x):
            bent = np.column_stack((x, y))[:, None]
            undistort = cv2.fisheye.undistortPoints if self.fisheye else cv2.undistortPoints
            x, y = undistort(bent, np.eye(3), np.array(self.distortion)).reshape(-1, 2).T
        x, y = {0: (x, y), 90: (-y, x), 180: (-x, -y), 270: (y, -x)}[self.rotate_deg]
        return np.column_stack((x, y))

    def position(self, point: Sequence[float], z: float) -> tuple[float, float, float] | None:
        """
        Return a point of the image as a position in the camera's optical frame.

        Args:
            point: x and y in pixels of the rotated image.
            z: its distance along the optical axis.

        Returns:
            x to the right, y down, z away from the camera, as the camera sees it before the images
            are rotated, in the unit of `z`; None where the lens model has no solution.

        """
        ((x, y),) = self.normalize(np.array([point])).tolist()
        if not math.isfinite(x + y):
            return None
        x, y = {0: (x, y), 90: (y, -x), 180: (-x, -y), 270: (-y, x)}[self.rotate_deg]
        return x * z, y * z, z
