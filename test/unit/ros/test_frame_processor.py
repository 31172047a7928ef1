# SPDX-License-Identifier: Apache-2.0
"""The newest image is processed next, each image is counted once, and no error ends the thread."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.ros import frame_processor
from emotion_perception.ros.conversions import bgr_to_image, time_message
from emotion_perception.ros.frame_processor import FrameProcessor
from emotion_perception.ros.frame_statistics import FrameStatistics

NOW_S = 1000


def make_image(number):
    """Return a tiny image whose stamp is `number` milliseconds."""
    return bgr_to_image(np.zeros((2, 3, 3), np.uint8), Header(stamp=time_message(number * 10**6)))


class Stage:
    """A FrameProcessor whose pipeline does what a test wants; keeps what is published."""

    def __init__(self, process=lambda image, stamp_s: []):
        """Start it; `process` stands for the pipeline."""
        self.arrays, self.log, self.resets, self.times_s = [], [], [], []
        self.budgets_s = []
        self.statistics = FrameStatistics()
        node = SimpleNamespace(
            context=SimpleNamespace(ok=lambda: True),
            get_clock=lambda: SimpleNamespace(
                now=lambda: SimpleNamespace(nanoseconds=NOW_S * 10**9)
            ),
            get_logger=lambda: SimpleNamespace(warning=self.log.append),
        )

        def process_image(image, stamp_s, budget_s, depth):
            self.times_s.append(stamp_s)
            self.budgets_s.append(budget_s)
            return process(image, stamp_s)

        pipeline = SimpleNamespace(
            process=process_image,
            reset=lambda: self.resets.append(len(self.arrays)),
            tracked_ids=frozenset(),
        )
        self.advance = lambda: None

        def publish(processed):
            self.advance()
            self.arrays.append(processed.array)

        publishers = SimpleNamespace(publish=publish, publish_annotated=lambda processed: None)
        self.processor = FrameProcessor(node, pipeline, publishers, self.statistics)

    def numbers(self):
        """Return the numbers of the published images."""
        return [a.header.stamp.sec * 1000 + a.header.stamp.nanosec // 10**6 for a in self.arrays]


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_fast_pipeline_processes_every_image_in_order():
    stage = Stage()
    for number in range(1, 50):
        stage.processor.put(make_image(number))
        wait_until(lambda number=number: len(stage.arrays) == number)
    stage.processor.stop()
    assert stage.numbers() == list(range(1, 50))
    assert stage.statistics.arrivals() == (49, 0)
    assert stage.statistics.processed == 49
    assert stage.statistics.format == '3x2 bgr8'


def test_counts_add_up_whenever_they_are_read():
    """Each image is processed, dropped, in process, or the one that waits."""
    open_images = set()

    def process(image, stamp_s):
        time.sleep(0.0003)
        received, dropped = stage.statistics.arrivals()
        open_images.add(received - dropped - len(stage.arrays))
        return []

    stage = Stage(process)
    for number in range(3000):
        stage.processor.put(make_image(number))
        if number % 7 == 0:
            time.sleep(0.0002)
    stage.processor.stop()
    numbers = stage.numbers()
    assert numbers == sorted(set(numbers))
    assert open_images <= {1, 2}
    assert stage.statistics.arrivals() == (3000, 3000 - len(numbers))
    for count, array in enumerate(stage.arrays):
        assert array.images_received - array.images_skipped - count in (1, 2)


@pytest.mark.parametrize(
    ('waiting', 'stop', 'processed', 'dropped'),
    [((2, 3, 4), False, [1, 4], 2), ((2,), True, [1], 1), ((), True, [1], 0)],
    ids=['the newest is next', 'one that waits at the end is dropped', 'the current one ends'],
)
def test_images_that_arrive_during_another(waiting, stop, processed, dropped):
    begun, go_on = threading.Event(), threading.Event()

    def process(image, stamp_s):
        begun.set()
        assert go_on.wait(10)
        return []

    stage = Stage(process)
    stage.processor.put(make_image(1))
    assert begun.wait(10)
    for number in waiting:
        stage.processor.put(make_image(number))
    if stop:
        stopping = threading.Thread(target=stage.processor.stop)
        stopping.start()
        wait_until(lambda: stage.statistics.arrivals()[1] == dropped)
        go_on.set()
        stopping.join(10)
    else:
        go_on.set()
        wait_until(lambda: len(stage.arrays) == len(processed))
        stage.processor.stop()
    assert stage.numbers() == processed
    assert stage.statistics.arrivals() == (1 + len(waiting), dropped)


def test_processing_time_begins_at_the_arrival():
    """It contains the time that an image waited for the one before."""

    def process(image, stamp_s):
        time.sleep(0.02)
        return []

    stage = Stage(process)
    stage.processor.put(make_image(1))
    wait_until(lambda: stage.times_s)
    arrived_s = time.monotonic()
    stage.processor.put(make_image(2))
    wait_until(lambda: len(stage.arrays) == 2)
    waited_s = time.monotonic() - arrived_s
    stage.processor.stop()
    assert 0.02 < stage.arrays[1].processing_time <= waited_s
    assert arrived_s <= stage.statistics.last_frame_at_s
    assert stage.arrays[1].age == pytest.approx(NOW_S - 0.002)


def test_failures_are_counted_and_logged_once_per_kind():
    def process(image, stamp_s):
        raise OSError('bad luck')

    stage = Stage(process)
    for message in (make_image(1), make_image(2), Image(encoding='bgr8'), Image(encoding='bgr8')):
        stage.processor.process(message, 0.0)
    stage.processor.stop()
    assert stage.arrays == []
    assert stage.statistics.failed == {'OSError': 2, 'empty image': 2}
    assert [text.split('\n')[0] for text in stage.log] == [
        'an image could not be processed: OSError: bad luck '
        '(logged once; counted in /diagnostics)',
        'an image could not be processed: the image is empty: 0x0 '
        '(logged once; counted in /diagnostics)',
    ]
    assert 'Traceback' in stage.log[0]


def test_a_jump_back_resets_the_pipeline_once():
    stage = Stage()
    for number in (5000, 5100, 2000, 2100):
        stage.processor.process(make_image(number), 0.0)
    stage.processor.stop()
    assert stage.resets == [0, 2]
    assert stage.statistics.jumps_back == 1
    assert np.diff(stage.times_s) == pytest.approx([0.1, 0, 0.1])
    assert len(stage.log) == 1


def test_levels_are_those_of_16_bit_images():
    stage = Stage()
    deep = make_image(1)
    deep.encoding, deep.step = 'mono16', 2 * deep.width
    deep.data = np.linspace(0, 4095, deep.width * deep.height).astype(np.uint16).tobytes()
    for message, levels in ((make_image(2), ''), (deep, '4..4091'), (make_image(3), '')):
        stage.processor.process(message, 0.0)
        assert stage.statistics.levels == levels
    stage.processor.stop()


@pytest.mark.parametrize('time_budget', [0.0, 0.6])
@pytest.mark.parametrize('period_s', [0.02, 0.05])
def test_the_budget_is_a_part_of_the_time_between_two_images(monkeypatch, time_budget, period_s):
    """Less what has passed since the image arrived."""
    now_s = [100.0]
    monkeypatch.setattr(frame_processor, 'time', SimpleNamespace(monotonic=lambda: now_s[0]))
    stage = Stage()
    stage.processor.time_budget = time_budget
    for number in range(60):
        stage.processor.put(make_image(number + 1))
        wait_until(lambda number=number: len(stage.arrays) == number + 1)
        now_s[0] += period_s
    assert stage.budgets_s[0] == pytest.approx(time_budget / 30)
    assert stage.budgets_s[-1] == pytest.approx(time_budget * period_s, rel=0.01)
    stage.processor.process(make_image(61), now_s[0] - 0.005)
    assert stage.budgets_s[-1] == pytest.approx(max(time_budget * period_s - 0.005, 0), rel=0.02)
    stage.processor.process(make_image(62), now_s[0] - 1)
    assert stage.budgets_s[-1] == 0
    now_s[0] += 1000
    stage.processor.put(make_image(63))
    wait_until(lambda: len(stage.arrays) == 63)
    # a pause counts as a second
    expected_s = time_budget * (0.9 * period_s + 0.1)
    assert stage.budgets_s[-1] == pytest.approx(expected_s, rel=0.01)
    stage.processor.stop()


def test_publishing_is_part_of_the_budget(monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(frame_processor, 'time', SimpleNamespace(monotonic=lambda: now_s[0]))
    stage = Stage()
    stage.publishing_s = 0.004
    stage.advance = lambda: now_s.__setitem__(0, now_s[0] + stage.publishing_s)
    for number in range(40):
        stage.processor.process(make_image(number + 1), now_s[0])
    assert stage.budgets_s[0] == pytest.approx(1 / 30)
    assert stage.budgets_s[-1] == pytest.approx(1 / 30 - 0.004, rel=0.01)
    stage.publishing_s = 0.1
    for number in range(40):
        stage.processor.process(make_image(number + 41), now_s[0])
    assert stage.budgets_s[-1] == 0
