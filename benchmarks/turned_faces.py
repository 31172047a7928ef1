# SPDX-License-Identifier: Apache-2.0
"""Turn the face in a photograph by known angles, as a mesh with the photograph as its texture."""

import cv2
import numpy as np

from emotion_perception.head_pose import toward_camera

SIZE = (640, 480)
FOCAL_PX = 554.0
"""Of the drawn camera: a horizontal field of view of 60 degrees at 640 pixels."""

_DISTANCE = 8.0
"""Of the drawn face from the camera, in distances of the outer eye corners: about 0.7 m."""

_RINGS = ((1.15, 0.25), (1.4, 0.75), (1.75, 1.3))
"""
Rings of further points around the face, which turn with it and carry hair, ears and neck: scale of
the face's outline, and how far behind it they lie, in distances of the outer eye corners.
"""

_EYE_CORNERS = 33, 263


class TurnableFace:
    """A face as a textured surface."""

    def __init__(self, image: np.ndarray, points: np.ndarray):
        """
        Cut the surface into triangles.

        Args:
            image: BGR uint8 [H, W, 3] with the face.
            points: float [468, 3], its mesh in pixels of the image, z away from the camera.

        """
        self._image = image
        left, right = points[_EYE_CORNERS[0]], points[_EYE_CORNERS[1]]
        unit = float(np.linalg.norm(right - left))
        center = points.mean(axis=0)
        outline = points[
            cv2.convexHull(points[:, :2].astype(np.float32), returnPoints=False)[:, 0]
        ]
        rings = [
            np.column_stack(
                (
                    center[:2] + scale * (outline[:, :2] - center[:2]),
                    outline[:, 2] + behind * unit,
                )
            )
            for scale, behind in _RINGS
        ]
        source = np.concatenate((points, *rings))
        self._source = source[:, :2].astype(np.float32)
        self._head = (source - center) / unit
        self._triangles = _triangulate(self._source)

    def turn(self, rotation: np.ndarray, offset: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """
        Draw the face turned.

        Args:
            rotation: float [3, 3], relative to the line from the face to the camera as in
                `HeadPose`; axes x right, y down, z away.
            offset: of the face from the image's center, in pixels.

        Returns:
            BGR uint8 [480, 640, 3]; behind the head is the photograph's mean color.

        """
        place = np.array((*offset, FOCAL_PX)) * _DISTANCE / FOCAL_PX
        head = self._head @ (toward_camera(place).T @ rotation).T + place
        flat = head[:, :2] / head[:, 2:] * FOCAL_PX + (SIZE[0] / 2, SIZE[1] / 2)
        maps = np.full((SIZE[1], SIZE[0], 2), -1, np.float32)
        depths = np.full((SIZE[1], SIZE[0]), np.inf, np.float32)
        for corners in self._triangles:
            _draw_triangle(maps, depths, flat[corners], head[corners, 2], self._source[corners])
        color = self._image.reshape(-1, 3).mean(axis=0).tolist()
        return cv2.remap(
            self._image,
            maps[..., 0],
            maps[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=color,
        )


def _triangulate(points: np.ndarray) -> np.ndarray:
    """Return Delaunay's triangles of points, float32 [N, 2], as indices int [M, 3]."""
    low, high = points.min(axis=0) - 1, points.max(axis=0) + 1
    division = cv2.Subdiv2D((*low.astype(int), *(high - low + 2).astype(int)))
    index_of: dict[tuple[float, float], int] = {}
    for index, point in enumerate(points.tolist()):
        division.insert(point)
        index_of[tuple(point)] = index
    corners = np.asarray(division.getTriangleList()).reshape(-1, 3, 2).tolist()
    found = [[index_of.get(tuple(point), -1) for point in triangle] for triangle in corners]
    return np.array([triangle for triangle in found if min(triangle) >= 0])


def _draw_triangle(
    maps: np.ndarray,
    depths: np.ndarray,
    corners: np.ndarray,
    corner_depths: np.ndarray,
    source: np.ndarray,
) -> None:
    """Write the source coordinates of a triangle's pixels where nothing nearer is drawn."""
    height, width = depths.shape
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, (width, height))
    edges = (corners[1:] - corners[0]).T
    if left >= right or top >= bottom or abs(np.linalg.det(edges)) < 1e-6:
        return
    y, x = np.mgrid[top:bottom, left:right]
    second, third = np.einsum(
        'ij,jyx->iyx', np.linalg.inv(edges), np.stack((x - corners[0, 0], y - corners[0, 1]))
    )
    weights = np.stack((1 - second - third, second, third), -1)
    depth = weights @ corner_depths
    region = depths[top:bottom, left:right]
    nearer = (weights.min(axis=-1) >= -0.01) & (depth < region)
    region[nearer] = depth[nearer]
    maps[top:bottom, left:right][nearer] = (weights @ source)[nearer]
