# SPDX-License-Identifier: Apache-2.0
"""
Head pose, open eyes and open mouth of a detected face.

MediaPipe's face mesh network (Kartynnik et al., 2019) finds 468 points in a crop of the face. The
pose is that of an average face whose points project onto them (perspective-n-point). The mesh
hardly moves when eyes close, so MediaPipe's iris network (Ablavatski et al., 2020) finds the lids
of the nearer eye. Both are files of the wheel with BlazeFace; crops and layouts are those of the
graphs of google-ai-edge/mediapipe.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.camera import Camera
from emotion_perception.errors import ModelError
from emotion_perception.geometry import crop_region, crop_square
from emotion_perception.runtime.litert import read_model
from emotion_perception.runtime.network import AnyNetwork, open_network
from emotion_perception.types import Detection, HeadPose

FIELD_OF_VIEW_RAD = math.radians(60)
"""Assumed angle of view along the longer side of an image; webcams have 55 to 75 degrees."""

READ_EVERY_S = 1 / 3
"""Time between two readings of a tracked face; its eyes are read in every second one."""

MIDLINE = {
    8: (-0.270, -0.098),
    9: (-0.363, -0.109),
    168: (-0.189, -0.097),
    6: (-0.105, -0.148),
    197: (-0.027, -0.206),
    195: (0.046, -0.271),
    5: (0.124, -0.336),
    4: (0.219, -0.364),
    1: (0.292, -0.341),
    2: (0.361, -0.168),
}
"""Point of the mesh -> y and z in `AVERAGE_FACE`."""

PAIRS = {
    (33, 263): (0.500, -0.139, 0.150),
    (133, 362): (0.192, -0.125, 0.092),
    (34, 264): (0.757, -0.076, 0.475),
    (70, 300): (0.627, -0.291, 0.159),
    (105, 334): (0.451, -0.392, -0.004),
    (107, 336): (0.159, -0.377, -0.102),
    (98, 327): (0.208, 0.332, -0.077),
    (64, 294): (0.229, 0.291, -0.126),
    (50, 280): (0.552, 0.207, 0.075),
    (117, 346): (0.586, 0.040, 0.147),
    (123, 352): (0.706, 0.187, 0.265),
    (205, 425): (0.461, 0.300, 0.016),
}
"""Points of the mesh that mirror each other, the image's left one first -> |x|, y and z."""

USED_POINTS = (*MIDLINE, *(index for pair in PAIRS for index in pair))
"""
Points of the mesh that expressions hardly move: forehead, bridge and wings of the nose, corners of
the eyes, brows and cheekbones.
"""

AVERAGE_FACE = np.array(
    [(0.0, y, z) for y, z in MIDLINE.values()]
    + [(side * x, y, z) for x, y, z in PAIRS.values() for side in (-1, 1)]
)
"""
Mean shape of 38 frontal faces in the order of `USED_POINTS`, in distances of the outer eye corners
from the center: x to the right, y down, z away from the camera. `benchmarks/average_face.py`
derives it from photographs.
"""

_CROP_SCALE = 1.5
"""Side of the mesh's crop as a multiple of the longer side of the box."""
_EYE_SCALE = 2.3
"""Side of the eye's crop as a multiple of the distance of its corners."""
_EYES = (33, 133), (362, 263)
"""Corners of the eye at the image's left and of the other one, the image's left first."""
_MIN_EYE_PX = 5.0
"""Lids of an eye that is narrower are not told apart."""
_LIDS = (3, 4, 5), (11, 12, 13)
"""Lower and upper, among the 71 points of the eye; its corners are the points 0 and 8."""
_CLOSED, _OPEN = 0.08, 0.28
"""Distance of the lids in widths of the eye: closed and open eyes of the clips, `make bench`."""
_LIPS, _MOUTH_CORNERS = (13, 14), (78, 308)
"""Inner edges of the lips."""
_WIDE_OPEN = 0.7
"""Distance of the lips in widths of the mouth."""

LANDMARKS = (
    *(127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)
"""
Points of the mesh at the 68 places of dlib's shape predictor: outline from the person's right ear
to the left one, brows, nose, eyes, outer and inner edges of the lips.
"""


_HEAD_AXES = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], np.float64)
"""Rows: forward, to its left and up, of a head that faces the camera."""


def choose_readings(
    ages_s: Sequence[float], widths_px: Sequence[float], step_s: float, busy: bool
) -> list[int]:
    """
    Return the faces whose pose is due in a frame, the most urgent first.

    Faces that are due at the same time are spread over the frames, so that no frame takes long.
    The result depends on stamps only.

    Args:
        ages_s: time since the last reading of each face; infinite before the first.
        widths_px: of the faces; near ones come first.
        step_s: time since the frame before.
        busy: whether this frame costs more than others, so that readings should wait for the next.

    Returns:
        Indices into `ages_s`.

    """
    latest_s = READ_EVERY_S * (1.5 if busy else 1.0)
    # stamps that jitter by a millisecond do not delay a reading by a frame
    due = [index for index, age_s in enumerate(ages_s) if age_s >= latest_s - 0.005]
    most = math.ceil(len(ages_s) * min(step_s / READ_EVERY_S, 1.0) - 0.01)
    widest = max(widths_px, default=1.0)
    nearness = [1 + 0.5 * width_px / widest for width_px in widths_px]
    # the ages of faces without a reading are infinite, whatever their factor
    due.sort(key=lambda index: (-ages_s[index] * nearness[index], -nearness[index]))
    return due[: max(most, 1)]


_MESH_FILE, _IRIS_FILE = 'face_landmark.tflite', 'iris_landmark.tflite'


def has_networks(folder: str | Path) -> bool:
    """Return whether a folder holds the files of `HeadPoseEstimator`."""
    return all((Path(folder) / name).is_file() for name in (_MESH_FILE, _IRIS_FILE))


class FaceMesh:
    """MediaPipe's face mesh network; not for two threads at once."""

    def __init__(self, folder: str | Path, threads: int = 1):
        """
        Load the network.

        Args:
            folder: of the network's file: `detection.find_networks`.
            threads: of the interpreter.

        Raises:
            ModelError: if the file is missing or damaged.

        """
        self._network = _load(Path(folder) / _MESH_FILE, 192, (1404, 1), threads)

    def find(self, image: np.ndarray, face: Detection) -> np.ndarray | None:
        """
        Return the points of the face in a detection, or None if it shows no face.

        Args:
            image: BGR uint8 [H, W, 3].
            face: its box gives place and size, its landmarks, if it has any, the rotation.

        Returns:
            float64 [468, 3], in pixels of the image; z grows away from the camera.

        """
        crop = crop_region(image, face, _CROP_SCALE, self._network.input_shape[1])
        points, logit = _outputs(self._network, crop.pixels, 1404, 1)
        if logit[0] < 0:
            return None
        mesh = points.reshape(-1, 3).astype(np.float64)
        return np.column_stack((crop.to_image(mesh[:, :2]), mesh[:, 2] / crop.scale))


class HeadPoseEstimator:
    """Reads the head pose of detected faces; not for two threads at once."""

    def __init__(self, folder: str | Path, threads: int = 1, landmarks: bool = False):
        """
        Load both networks.

        Args:
            folder: of the networks' files: `detection.find_networks`.
            threads: of each network's interpreter.
            landmarks: give `HeadPose.landmarks` too, for whose pupils both eyes are read in each
                reading.

        Raises:
            ModelError: if a file is missing or damaged.

        """
        self._landmarks = landmarks
        self._mesh = FaceMesh(folder, threads)
        self._iris = _load(Path(folder) / _IRIS_FILE, 64, (213, 15), threads)

    def read(
        self,
        image: np.ndarray,
        face: Detection,
        camera: Camera | None = None,
        eyes_open: float | None = None,
    ) -> HeadPose | None:
        """
        Return the pose of a detected face, or None if the networks see no face there.

        Args:
            image: BGR uint8 [H, W, 3].
            face: detected in it.
            camera: that took the image; None assumes one without distortion and with
                `FIELD_OF_VIEW_RAD`.
            eyes_open: of an earlier reading, to be kept; None reads the nearer eye, which takes
                more than half of the time. With landmarks the eyes are always read.

        """
        mesh = self._mesh.find(image, face)
        if mesh is None:
            return None
        placed = place_head(mesh, camera or assumed_camera(image.shape))
        if placed is None:
            return None
        rotation, place = placed
        yaw, pitch, roll = to_angles(toward_camera(place) @ rotation)
        nearer, landmarks = (0 if yaw >= 0 else 1), None
        if self._landmarks:
            eyes = [self._read_eye(image, mesh, index) for index in (0, 1)]
            eyes_open = eyes[nearer][0]
            points = [mesh[list(LANDMARKS), :2], *(pupil for _, pupil in eyes)]
            landmarks = np.vstack(points).astype(np.float32)
        elif eyes_open is None:
            eyes_open, _ = self._read_eye(image, mesh, nearer)
        return HeadPose(
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            eyes_open=eyes_open,
            mouth_open=_mouth_open(mesh),
            depth=float(place[2]),
            landmarks=landmarks,
        )

    def _read_eye(
        self, image: np.ndarray, mesh: np.ndarray, index: int
    ) -> tuple[float, np.ndarray]:
        """
        Return how far an eye is open, 0..1, and its pupil, float64 [2] in pixels of the image.

        Both are NaN if it is too small to tell.

        Args:
            image: BGR uint8 [H, W, 3].
            mesh: points of the face in it.
            index: 0 is the eye at the image's left, 1 the other one.

        """
        left, right = mesh[list(_EYES[index]), :2]
        across = right - left
        width = float(np.hypot(*across))
        if width < _MIN_EYE_PX:
            return math.nan, np.full(2, math.nan)
        angle_deg = math.degrees(math.atan2(across[1], across[0]))
        side = self._iris.input_shape[1]
        crop = crop_square(image, (left + right) / 2, _EYE_SCALE * width, side, angle_deg)
        # the network knows the eye at the image's left
        pixels = crop.pixels[:, ::-1] if index else crop.pixels
        points, iris = (
            values.reshape(-1, 3)[:, :2] for values in _outputs(self._iris, pixels, 213, 15)
        )
        lower, upper = (points[list(lid)] for lid in _LIDS)
        apart = float(np.linalg.norm(upper - lower, axis=1).mean())
        share = apart / max(float(np.hypot(*(points[8] - points[0]))), 1.0)
        # its first point is the center
        x, y = iris[0].tolist()
        pupil = crop.to_image(np.array((side - x if index else x, y)))
        return min(max((share - _CLOSED) / (_OPEN - _CLOSED), 0.0), 1.0), pupil


def assumed_camera(shape: Sequence[int]) -> Camera:
    """Return what is assumed of an unknown camera; `shape` of its images, height first."""
    return Camera.from_field_of_view((shape[1], shape[0]), FIELD_OF_VIEW_RAD)


def place_head(mesh: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray] | None:
    """
    Return where the average face must be to look like a mesh.

    Args:
        mesh: float [468, 3], in pixels of the image; its depths are not used.
        camera: that took the image.

    Returns:
        Rotation, float64 [3, 3], and place, float64 [3] in distances of the outer eye corners, in
        the frame of the image (x right, y down, z away); None if there is no solution.

    """
    points = camera.normalize(mesh[list(USED_POINTS), :2])
    if not np.isfinite(points).all():
        return None
    try:
        found, rotation, place = cv2.solvePnP(
            AVERAGE_FACE, points, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP
        )
    except cv2.error:
        return None
    if not found or not np.isfinite([rotation, place]).all() or place[2, 0] <= 0:
        return None
    return cv2.Rodrigues(rotation)[0], place[:, 0]


def toward_camera(place: np.ndarray) -> np.ndarray:
    """
    Return the smallest rotation from the direction of a place to the optical axis.

    Its inverse turns an orientation relative to the line of sight, as the angles of `HeadPose`
    are, into one relative to the camera.

    Args:
        place: float [3] in the camera's optical frame, z above 0; its length does not matter.

    Returns:
        float64 [3, 3].

    """
    x, y, z = place / np.linalg.norm(place)
    # Rodrigues' formula about (y, -x, 0), whose length is the sine and z the cosine of the angle
    return np.array(
        [
            [1 - x * x / (1 + z), -x * y / (1 + z), -x],
            [-x * y / (1 + z), 1 - y * y / (1 + z), -y],
            [x, y, z],
        ]
    )


def to_angles(rotation: np.ndarray) -> tuple[float, float, float]:
    """
    Return yaw, pitch and roll of a head in radians, with the signs of `HeadPose`.

    Args:
        rotation: float [3, 3], from the average face to axes that are x right, y down and z away.

    """
    turned = _HEAD_AXES @ rotation @ _HEAD_AXES.T
    return (
        math.atan2(turned[1, 0], turned[0, 0]),
        math.asin(min(max(-turned[2, 0], -1.0), 1.0)),
        math.atan2(turned[2, 1], turned[2, 2]),
    )


def head_axes(
    place: np.ndarray, yaw: float, pitch: float, roll: float, rotate_deg: int = 0
) -> np.ndarray:
    """
    Return the axes of a head in the camera's optical frame.

    Args:
        place: float [3], of the head in that frame; its length does not matter.
        yaw: of `HeadPose`, relative to the line of sight, as are `pitch` and `roll`; radians.
        pitch: of `HeadPose`.
        roll: of `HeadPose`.
        rotate_deg: clockwise rotation of the image in which these angles hold: 0, 90, 180 or 270.

    Returns:
        float64 [3, 3]; its columns point forward, to the person's left and up.

    """
    (cy, cp, cr), (sy, sp, sr) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    # from the frame of the rotated image to that of the camera
    cos, sin = round(math.cos(math.radians(rotate_deg))), round(math.sin(math.radians(rotate_deg)))
    unrotate = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    seen = toward_camera(unrotate.T @ place).T @ _HEAD_AXES.T @ about_z @ about_y @ about_x
    return unrotate @ seen


def _mouth_open(mesh: np.ndarray) -> float:
    """Return how far the mouth is open, 0..1."""
    lips, corners = (
        float(np.linalg.norm(mesh[second] - mesh[first]))
        for first, second in (_LIPS, _MOUTH_CORNERS)
    )
    return min(lips / max(corners, 1e-6) / _WIDE_OPEN, 1.0)


def _load(path: Path, side: int, sizes: tuple[int, int], threads: int) -> AnyNetwork:
    """Return a network with a square RGB input and two outputs of these sizes."""
    network = open_network(read_model(path), str(path), threads)
    found = sorted(int(np.prod(shape)) for shape in network.output_shapes)
    if network.input_shape != (1, side, side, 3) or found != sorted(sizes):
        raise ModelError(
            f'{path} is not the network expected: its input is {network.input_shape}, '
            f'its outputs are {network.output_shapes}'
        )
    return network


def _outputs(network: AnyNetwork, pixels: np.ndarray, *sizes: int) -> list[np.ndarray]:
    """Run a network on BGR pixels; return its outputs of these sizes, flat."""
    rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    values = np.multiply(rgb, np.float32(1 / 255), dtype=np.float32)
    by_size = {output.size: output.ravel() for output in network(values[None])}
    return [by_size[size] for size in sizes]
