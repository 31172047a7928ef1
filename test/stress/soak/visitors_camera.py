# SPDX-License-Identifier: Apache-2.0
"""A camera that shows people who come and go; the frame_id is the number of the image."""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.imaging.sources import portrait_path
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.node_main import run_node

WIDTH, HEIGHT = 640, 480
ROUND_S = 40.0
"""Duration of one round of all scenes; they are scaled to a program's `round_s`."""
SCENES = ((3, 8, 1), (9, 15, 3), (17, 24, 10), (26, 33, 2), (34, 34.7, 1), (35.5, 36.2, 1))
"""Start and end of each scene in a round, in seconds, and how many people come."""
CROWD = max(people for _, _, people in SCENES)
_SIDES = {1: 0.42, 2: 0.35, 3: 0.3, 10: 0.24}
"""People in a scene -> side of a head, as a share of the image's height."""
_HEAD = (slice(0, 210), slice(120, 330))
"""Rows and columns of the head in the 512x512 portrait."""


@dataclass(frozen=True)
class Program:
    """
    Rounds of the same scenes with people in other places; the same for the same seed.

    Attributes:
        frames: images with people; after them nobody comes.
        rate_hz: of the camera.
        round_s: duration of one round of all scenes.
        seed: of the places.

    """

    frames: int = 1200
    rate_hz: float = 30.0
    round_s: float = ROUND_S
    seed: int = 0

    @property
    def round_frames(self) -> int:
        """Images in a round."""
        return round(self.round_s * self.rate_hz)

    def heads(self, index: int) -> np.ndarray:
        """Return center x, center y and side of each head in image `index`, int [N, 3] pixels."""
        number, within = divmod(index, self.round_frames)
        time_s = within / self.round_frames * ROUND_S
        if not 0 <= index < self.frames:
            return np.zeros((0, 3), int)
        present = (k for k, (start_s, end_s, _) in enumerate(SCENES) if start_s <= time_s < end_s)
        if (scene := next(present, None)) is None:
            return np.zeros((0, 3), int)
        start_s, end_s, people = SCENES[scene]
        columns, rows = min(people, 5), -(-people // 5)
        row, column = np.divmod(np.arange(people), columns)
        places = np.random.default_rng((self.seed, number, scene)).uniform(-12, 12, (people, 2))
        places += np.stack(((column + 0.5) * WIDTH / columns, (row + 0.5) * HEIGHT / rows), 1)
        # a quarter of the scene to walk in from the nearer edge, a quarter to walk out
        walk_s = (end_s - start_s) / 4
        times_s = (start_s, start_s + walk_s, end_s - walk_s, end_s)
        away = np.interp(time_s, times_s, (1.0, 0.0, 0.0, 1.0))
        side = _SIDES[people] * HEIGHT
        edges = np.where(places[:, 0] < WIDTH / 2, -side / 2, WIDTH + side / 2)
        places[:, 0] += away * (edges - places[:, 0])
        return np.column_stack((places, np.full(people, side))).round().astype(int)

    def count_visits(self, images: int) -> int:
        """Return how many people came within the first `images` images."""
        number, within = divmod(min(images, self.frames), self.round_frames)
        time_s = within / self.round_frames * ROUND_S
        begun = sum(people for start_s, _, people in SCENES if start_s < time_s)
        return begun + number * sum(people for _, _, people in SCENES)


class Painter:
    """Draws the images of a program with the NASA portrait's head."""

    def __init__(self, program: Program):
        """Load the portrait and draw walls with some noise."""
        portrait = cv2.imread(str(portrait_path()))
        assert portrait is not None
        self._program, self._head = program, portrait[_HEAD]
        rng, shade = np.random.default_rng(0), np.linspace(150, 90, WIDTH)[None, :, None]
        noise = (rng.normal(0, 2, (HEIGHT, WIDTH, 3)) for _ in range(4))
        self._walls = [(shade + one).astype(np.uint8) for one in noise]

    def draw(self, index: int) -> np.ndarray:
        """Return image `index`, BGR uint8 [480, 640, 3]."""
        image = self._walls[index % len(self._walls)].copy()
        for x, y, side in self._program.heads(index):
            left, top = x - side // 2, y - side // 2
            head = cv2.resize(self._head, (side, side), interpolation=cv2.INTER_AREA)
            part = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
            first_row, first_column = max(-top, 0), max(-left, 0)
            height, width = part.shape[:2]
            part[:] = head[first_row:, first_column:][:height, :width]
        return image


class VisitorsCamera(Node):
    """Publishes `image` at a steady rate while it has a subscriber."""

    def __init__(self, **options: Any) -> None:
        """Declare the fields of `Program` as parameters and start."""
        super().__init__('visitors_camera', **options)
        cv2.setNumThreads(1)
        values: dict[str, Any] = {
            name: self.declare_parameter(name, default).value
            for name, default in asdict(Program()).items()
        }
        self._painter, self._index = Painter(Program(**values)), 0
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.create_timer(1 / values['rate_hz'], self._publish)

    def _publish(self) -> None:
        if not self._publisher.get_subscription_count():
            return
        stamp = self.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=str(self._index))
        self._publisher.publish(bgr_to_image(self._painter.draw(self._index), header))
        self._index += 1


if __name__ == '__main__':
    run_node(VisitorsCamera)
