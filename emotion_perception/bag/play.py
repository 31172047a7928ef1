# SPDX-License-Identifier: Apache-2.0
"""Send a recording's images to a live node in real time, and record its emotions."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import Connection
from sensor_msgs.msg import CompressedImage, Image
from tqdm import tqdm

from emotion_perception.bag.message_types import MessageTypes, emotion_topics, full_topic_name
from emotion_perception.bag.player import BagClock, Player
from emotion_perception.bag.reading import Bag, image_connections, open_bag
from emotion_perception.bag.writing import STORAGES, NewBag, new_bag
from emotion_perception.errors import BagError, ImageError
from emotion_perception.ros.conversions import image_to_bgr
from emotion_perception.ros.node_main import ros_context
from emotion_perception.runtime.quiet import without_library_notes

_DISCOVERY_S = 0.5
_LAST_RESULT_S = 2.0
_RESULT_LIMIT_S = 5.0
_FAILED_IMAGE_S = 0.1
_LATE_S = 0.01


@dataclass(frozen=True)
class PlayOptions:
    """
    How to play.

    Attributes:
        rate: how many times faster than recorded; above 0.
        clock: publish /clock, for a node with use_sim_time.
        every_image: wait for the result of each image before the next is sent, so that the node
            drops none; `rate` is ignored then.
        to: topic of the published images; empty is `image` or `image/compressed`.
        namespace: of the emotions that the node publishes.
        with_images: record the images too.
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
class PlayResult:
    """
    Counts of one played recording.

    Attributes:
        topic: of the images in the recording.
        sent: images that were published.
        failed: published images that no node can decode; counted with `every_image` only.
        damaged: messages that hold no image and were not published.
        late: images that were sent more than 10 ms after their time.
        round_trips_s: seconds from publishing an image to its result, for each with one.
        remark: why the recording's metadata.yaml is not used, and its data files are.

    """

    topic: str
    sent: int
    failed: int
    damaged: int
    late: int
    round_trips_s: list[float]
    remark: str = ''

    def latency_ms(self) -> tuple[float, float]:
        """Return median and 99th percentile of the round trips in ms; NaN without any."""
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
) -> PlayResult:
    """
    Send a recording's images to a live node; write the emotions that it publishes into another.

    The emotions are stamped in the recording's time: its start, plus the time since then
    multiplied by the rate.

    Args:
        source: the recording.
        out: folder of the new one; must not exist.
        topic: of the images; empty where the recording has one topic with images.
        options: how to play.
        storage: one of `STORAGES`.
        stopped: when set, playing ends and nothing is written.

    Raises:
        BagError: if `source` cannot be read, no node subscribes, or `out` cannot be written.
        KeyboardInterrupt: once `stopped` is set.

    """
    options = options or PlayOptions()
    full_topic_name(options.to or 'image')
    emotion_topics(options.namespace)
    types, stopped = MessageTypes(), stopped or threading.Event()
    clock = BagClock(0.0 if options.every_image else options.rate)
    with open_bag(source) as bag, new_bag(out, storage) as new:
        images = image_connections(bag, topic)
        msgtype, to, namespace = images[0].msgtype, options.to, options.namespace
        interrupt: KeyboardInterrupt | None = None
        with ros_context([], catch_signals=False):
            player = Player(msgtype, to, namespace, options.clock, clock, new, types, stopped)
            try:
                _wait_for_node(player, options.wait_s)
                return _play(bag, images, player, clock, options, new, types)
            except KeyboardInterrupt as error:
                interrupt = error  # ros_context would suppress it
            finally:
                player.destroy_node()
        raise interrupt or BagError('ROS was shut down from outside; nothing was written')


def _wait_for_node(player: Player, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not player.node_is_active:
        if time.monotonic() > deadline:
            raise BagError(
                f'no active node subscribes to {player.image_topic} and publishes emotions within '
                f'{limit_s:g} s; start `emotion_node --ros-args -p autostart:=true` first, '
                'or name its topic with --to'
            )
        player.spin(0.05)
    # the node must discover our subscriptions as well, which cannot be observed from here
    player.spin(_DISCOVERY_S)


def _play(
    bag: Bag,
    images: tuple[Connection, ...],
    player: Player,
    clock: BagClock,
    options: PlayOptions,
    new: NewBag,
    types: MessageTypes,
) -> PlayResult:
    """Send each image at its time."""
    result = PlayResult(images[0].topic, 0, 0, 0, 0, player.round_trips_s, bag.remark)
    copy = None
    if options.with_images:
        msgtype = images[0].msgtype
        copy = new.add_topic(result.topic, msgtype, types.define(msgtype))
    total = sum(one.msgcount for one in images)
    for connection, stamp_ns, data in tqdm(
        bag.messages(images), total=total, unit='image', disable=None, desc='play'
    ):
        try:
            message = types.decode_image(data, connection.msgtype)
        except ImageError:
            result.damaged += 1
            continue
        player.spin(clock.seconds_until(stamp_ns))
        result.late += clock.seconds_until(stamp_ns) < -_LATE_S
        clock.advance(stamp_ns)
        if copy:
            new.write(copy, stamp_ns, data)
        stamp = message.header.stamp
        player.send(data, stamp.sec * 10**9 + stamp.nanosec)
        result.sent += 1
        if options.every_image:
            result.failed += not _wait_for_result(player, message)
    player.spin(_LAST_RESULT_S, until_complete=True)
    return result


def _wait_for_result(player: Player, message: Image | CompressedImage) -> bool:
    """Wait for an image's result; return whether a node can decode the image at all."""
    try:
        with without_library_notes():
            image_to_bgr(message)
        decodable = True
    except (ImageError, cv2.error):
        decodable = False
    player.spin(_RESULT_LIMIT_S if decodable else _FAILED_IMAGE_S, until_complete=True)
    if player.pending and not player.node_is_active:
        raise BagError('the node stopped; nothing was written')
    player.pending.clear()
    return decodable
