"""Send a recording's images to a live node with their own timing, and record what it answers."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import Connection
from tqdm import tqdm

from emotion_perception.bag.message_types import MessageTypes, checked_topic, emotion_topics
from emotion_perception.bag.player import BagTime, Player
from emotion_perception.bag.reading import Bag, image_connections, open_bag
from emotion_perception.bag.writing import STORAGES, NewBag, new_bag
from emotion_perception.errors import BagError, ImageError
from emotion_perception.ros.conversions import image_to_bgr
from emotion_perception.ros.node_main import ros_context

_SETTLE_S = 0.5
_LAST_ANSWER_S = 2.0
_ANSWER_LIMIT_S = 5.0
_LATE_S = 0.01


@dataclass(frozen=True)
class PlayOptions:
    """
    How to play.

    Attributes:
        rate: how many times faster than recorded; above 0.
        clock: publish /clock, for a node with use_sim_time.
        every_image: wait for the answer to each image before the next is sent, so that none is
            passed over; the timing is then the node's, and `rate` says nothing.
        to: topic that the node reads; empty is `image` or `image/compressed`.
        namespace: of the node's answers.
        with_images: keep the images beside the answers.
        wait_s: how long to wait for the node.

    """

    rate: float = 1.0
    clock: bool = False
    every_image: bool = False
    to: str = ''
    namespace: str = ''
    with_images: bool = False
    wait_s: float = 10.0


@dataclass
class Played:
    """
    What became of the images.

    Attributes:
        topic: of the images in the recording.
        sent: images that were published.
        unusable: among them those that no node can read.
        damaged: messages that hold no image and were not published.
        late: images that were sent more than 10 ms after their time.
        round_trips_s: time from publishing an image to its answer, for each that was answered.

    """

    topic: str
    sent: int
    unusable: int
    damaged: int
    late: int
    round_trips_s: list[float]

    def latency_ms(self) -> tuple[float, float]:
        """Return median and 99th percentile of the round trips in milliseconds; NaN without any."""
        if not self.round_trips_s:
            return np.nan, np.nan
        p50, p99 = np.percentile(self.round_trips_s, (50, 99)) * 1000
        return float(p50), float(p99)


def play_bag(
    source: Path,
    out: Path,
    topic: str = '',
    options: PlayOptions | None = None,
    storage: str = STORAGES[0],
    stopped: threading.Event | None = None,
) -> Played:
    """
    Send a recording's images to a live node; write its answers into another recording.

    The answers are written at the recording's own time: its beginning, plus the time since then
    times the rate.

    Args:
        source: the recording.
        out: folder of the new one; must not exist.
        topic: of the images; empty where the recording has one topic with images.
        options: how.
        storage: one of `STORAGES`.
        stopped: ends it; then nothing is written.

    Raises:
        BagError: if `source` cannot be read, nobody reads the images, or `out` cannot be written.
        KeyboardInterrupt: once `stopped` is set.

    """
    options = options or PlayOptions()
    checked_topic(options.to or 'image')
    emotion_topics(options.namespace)
    types, stopped = MessageTypes(), stopped or threading.Event()
    bag_time = BagTime(0.0 if options.every_image else options.rate)
    with open_bag(source) as bag, new_bag(out, storage) as new:
        images = image_connections(bag, topic)
        failure: BaseException | None = None
        with ros_context([], catch_signals=False):
            player = Player(
                images[0].msgtype,
                options.to,
                options.namespace,
                options.clock,
                bag_time,
                new,
                types,
            )
            try:
                show = _Show(player, bag_time, options, new, types, stopped)
                show.wait_for_node()
                return show.play(bag, images)
            except KeyboardInterrupt as error:
                failure = error  # which the session would swallow
            finally:
                player.destroy_node()
        raise failure or BagError('ROS was shut down from outside; nothing was written')


class _Show:
    """One run from the first image to the last answer."""

    def __init__(
        self, player: Player, bag_time: BagTime, options: PlayOptions,
        new: NewBag, types: MessageTypes, stopped: threading.Event,
    ):  # fmt: skip
        self._player, self._time, self._options = player, bag_time, options
        self._new, self._types, self._stopped = new, types, stopped

    def _listen(self, limit_s: float, until_answered: bool = False) -> None:
        """Take in answers for so long, or only until no image waits for its answer."""
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            if until_answered and not self._player.unanswered:
                return
            self._player.take_in(left_s)

    def wait_for_node(self) -> None:
        """Wait until somebody reads the images and answers."""
        deadline = time.monotonic() + self._options.wait_s
        while not self._player.heard:
            if time.monotonic() > deadline:
                raise BagError(
                    f'no active node reads {self._player.image_topic} and answers within '
                    f'{self._options.wait_s:g} s; start `emotion_node --ros-args -p autostart:=true` first, '
                    'with `-p image_transport:=compressed` for compressed images, or name its topic with --to'
                )
            self._listen(0.05)
        # the node must have found our subscriptions as well, which cannot be seen from here
        self._listen(_SETTLE_S)

    def play(self, bag: Bag, images: tuple[Connection, ...]) -> Played:
        """Send each image at its time."""
        every = self._options.every_image
        played = Played(images[0].topic, 0, 0, 0, 0, self._player.round_trips_s)
        kept = None
        if self._options.with_images:
            msgtype = images[0].msgtype
            kept = self._new.add_topic(played.topic, msgtype, self._types.define(msgtype))
        total = sum(one.msgcount for one in images)
        with tqdm(total=total, unit='image', disable=None, desc='play') as bar:
            for connection, stamp_ns, data in bag.messages(images):
                bar.update()
                try:
                    message = self._types.decode_image(data, connection.msgtype)
                except ImageError:
                    played.damaged += 1
                    continue
                self._listen(self._time.left_s(stamp_ns))
                played.late += self._time.left_s(stamp_ns) < -_LATE_S
                self._time.reach(stamp_ns)
                if kept:
                    self._new.write(kept, stamp_ns, data)
                stamp = message.header.stamp
                self._player.send(data, stamp.sec * 10**9 + stamp.nanosec)
                played.sent += 1
                readable = _is_readable(message) if every else True
                played.unusable += not readable
                if every:
                    self._listen(_ANSWER_LIMIT_S if readable else 0.1, until_answered=True)
                    if self._player.unanswered and not self._player.heard:
                        raise BagError('the node went away; nothing was written')
                    self._player.unanswered.clear()
        self._listen(_LAST_ANSWER_S, until_answered=True)
        return played


def _is_readable(message) -> bool:
    """Tell whether a node can read an image, and so whether to wait for its answer."""
    try:
        image_to_bgr(message)
    except (ImageError, cv2.error):
        return False
    return True
