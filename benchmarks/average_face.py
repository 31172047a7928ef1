# SPDX-License-Identifier: Apache-2.0
"""
Derive `head_pose.AVERAGE_FACE`: the mean of the meshes of frontal faces in photographs.

Generalized Procrustes analysis (Gower, 1975): all meshes are turned, scaled and moved onto their
mean, which is then taken again. The mean is made symmetric, and its pitch is that of the faces on
average: people who look into a camera define what straight ahead is.

    python -m benchmarks.average_face FOLDER_OR_PHOTOGRAPH...
"""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from emotion_perception.detection import make_detector
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.head_pose import MIDLINE, PAIRS, USED_POINTS, FaceMesh, to_angles
from emotion_perception.imaging.codecs import find_images, read_image

_MIN_WIDTH_PX = 40
_MAX_TURN_RAD = math.radians(12)
_ROUNDS = 10
_MIRRORED = [
    *range(len(MIDLINE)),
    *(len(MIDLINE) + (k ^ 1) for k in range(2 * len(PAIRS))),
]  # fmt: skip
"""Index of the point that mirrors each one; pairs stand side by side."""


def read_meshes(paths: Iterable[Path]) -> list[np.ndarray]:
    """Return the points that `AVERAGE_FACE` has, float [34, 3], of each face in photographs."""
    detector, mesh = make_detector(min_face_px=_MIN_WIDTH_PX), FaceMesh(find_networks())
    found = []
    for path in paths:
        image = read_image(path)
        for face in detector.detect(image):
            points = mesh.find(image, face)
            if points is not None:
                found.append(points[list(USED_POINTS)])
    return found


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """
    Return scale, rotation and shift from points to points (least squares; Umeyama, 1991).

    Args:
        source: float [N, 3].
        target: float [N, 3].

    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, stretch, v = np.linalg.svd(b.T @ a)
    sign = np.array((1, 1, np.sign(np.linalg.det(u @ v))))
    rotation = u * sign @ v
    scale = float((stretch * sign).sum() / (a * a).sum())
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)


def average_face(meshes: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """
    Return the mean of the frontal ones among meshes, float [34, 3], and their number.

    Raises:
        ValueError: if none is frontal.

    """
    mean = _normalized(meshes[0])
    moved: list[np.ndarray] = []
    for _ in range(_ROUNDS):
        moved, pitches = [], []
        for points in meshes:
            scale, rotation, shift = similarity(points, mean)
            yaw, pitch, _ = to_angles(rotation.T)
            if abs(yaw) < _MAX_TURN_RAD and abs(pitch) < _MAX_TURN_RAD:
                moved.append(scale * points @ rotation.T + shift)
                pitches.append(pitch)
        if not moved:
            raise ValueError(f'none of {len(meshes)} faces is frontal')
        mean = np.mean(moved, axis=0)
        # what is now straight ahead is the mean direction of the faces as photographed
        angle = float(np.mean(pitches))
        cos, sin = math.cos(angle), math.sin(angle)
        mean = _normalized(mean @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]).T)
    return mean, len(moved)


def _normalized(points: np.ndarray) -> np.ndarray:
    """Return points made symmetric, around their center, in distances of the eye corners."""
    points = points - points.mean(axis=0)
    points = (points + points[_MIRRORED] * (-1, 1, 1)) / 2
    left, right = points[len(MIDLINE) : len(MIDLINE) + 2]
    return points / np.linalg.norm(right - left)


def main() -> None:
    """Print the table as it stands in `head_pose`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('photographs', nargs='+')
    args = parser.parse_args()
    paths = find_images(args.photographs)
    meshes = read_meshes(paths)
    mean, count = average_face(meshes)
    print(f'{count} frontal of {len(meshes)} faces in {len(paths)} photographs')
    for name, row in zip(USED_POINTS, mean, strict=True):
        print(f'{name:4d}: ({row[0]:.3f}, {row[1]:.3f}, {row[2]:.3f})')


if __name__ == '__main__':
    main()
