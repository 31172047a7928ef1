"""The worker's counts add up at every moment, however frames and work fall together."""

import threading
import time

import pytest

from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.worker import FrameWorker


def test_counts_add_up_while_it_works():
    """Whoever looks during work sees all frames as done, skipped, in hand or the one that waits."""
    statistics = FrameStatistics()
    seen = []

    def work(frame, arrived):
        time.sleep(0.0003)
        received, skipped = statistics.arrivals()
        seen.append((frame, received - skipped - len(seen)))

    worker = FrameWorker(work, statistics)
    for frame in range(3000):
        worker.put(frame)
        if frame % 7 == 0:
            time.sleep(0.0002)
    worker.stop()
    frames = [frame for frame, _ in seen]
    assert frames == sorted(set(frames))
    # the one in hand, and at most one that waits
    assert {open_ for _, open_ in seen} <= {1, 2}
    assert statistics.arrivals() == (3000, 3000 - len(seen))


def test_a_frame_that_waits_at_the_end_is_skipped():
    """Stopping finishes the frame in hand, and what waited behind it is counted as skipped."""
    statistics = FrameStatistics()
    begun, go_on = threading.Event(), threading.Event()
    done = []

    def work(frame, arrived):
        begun.set()
        go_on.wait(5)
        done.append(frame)

    worker = FrameWorker(work, statistics)
    worker.put('first')
    assert begun.wait(5)
    worker.put('second')
    threading.Timer(0.05, go_on.set).start()
    worker.stop()
    assert done == ['first']
    assert statistics.arrivals() == (2, 1)


def test_the_time_of_arrival_goes_with_the_frame():
    """What waited is not as young as its turn."""
    statistics = FrameStatistics()
    arrivals = []

    def work(frame, arrived):
        arrivals.append((arrived, time.monotonic()))
        time.sleep(0.05)

    worker = FrameWorker(work, statistics)
    before = time.monotonic()
    worker.put('first')
    time.sleep(0.02)
    worker.put('second')
    while len(arrivals) < 2:
        time.sleep(0.005)
    worker.stop()
    (first, _), (second, began) = arrivals
    assert before <= first <= second <= began
    assert began - second > 0.01
    assert statistics.last_frame_at == pytest.approx(second)
