"""A slow consumer gets the newest frame, and what it missed is counted."""

import threading
import time

from emotion_perception.ros.frame_slot import FrameSlot


def test_newest_wins():
    """Of several frames that wait only the last is handed out."""
    slot = FrameSlot()
    for frame in ('a', 'b', 'c'):
        slot.put(frame)
    assert slot.take(0) == 'c'
    assert slot.take(0) is None
    assert (slot.received, slot.skipped) == (3, 2)


def test_nothing_is_skipped_by_a_fast_consumer():
    """Frames that are taken in time all arrive, in order."""
    slot = FrameSlot()
    taken = []
    for frame in range(1, 50):
        slot.put(frame)
        taken.append(slot.take(0))
    assert taken == list(range(1, 50))
    assert (slot.received, slot.skipped) == (49, 0)


def test_falsy_frames():
    """A frame is a frame even where it counts as false."""
    slot = FrameSlot()
    for frame in (0, '', ()):
        slot.put(frame)
        assert slot.take(0) == frame
    assert slot.skipped == 0


def test_take_waits_for_its_time():
    """Without a frame, take gives up after its time and not before."""
    slot = FrameSlot()
    start = time.monotonic()
    assert slot.take(0.05) is None
    assert 0.045 <= time.monotonic() - start < 2


def wait_in_thread(slot):
    """Return a started thread that takes one frame, and the list where it goes."""
    taken = []
    thread = threading.Thread(target=lambda: taken.append(slot.take(10)))
    thread.start()
    time.sleep(0.02)
    assert not taken
    return thread, taken


def test_put_wakes():
    """A waiting consumer gets the frame at once."""
    slot = FrameSlot()
    thread, taken = wait_in_thread(slot)
    slot.put('frame')
    thread.join(5)
    assert taken == ['frame']


def test_close_wakes():
    """Closing ends the wait of a consumer."""
    slot = FrameSlot()
    thread, taken = wait_in_thread(slot)
    slot.close()
    thread.join(5)
    assert taken == [None]


def test_nothing_after_close():
    """A closed slot gives out nothing, neither what waited nor what comes later."""
    slot = FrameSlot()
    slot.put('before')
    slot.close()
    assert slot.take() is None
    slot.put('after')
    assert slot.take() is None


def test_what_was_replaced_is_told():
    """Each call tells whether a frame had to go, so that it can be counted as it happens."""
    slot = FrameSlot()
    assert [slot.put(frame) for frame in 'ab'] == [False, True]
    slot.take()
    assert not slot.put('c')
    assert slot.close()
    assert (slot.received, slot.skipped) == (3, 2)
    assert not slot.close()


def test_two_threads():
    """Between a fast producer and a slow consumer frames only ever get newer, and none is lost track of."""
    slot = FrameSlot()
    taken = []

    def consume():
        while (frame := slot.take()) is not None:
            taken.append(frame)
            time.sleep(0.0005)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for frame in range(2000):
        slot.put(frame)
    while (left := slot.received - slot.skipped - len(taken)) > 0:
        assert left <= 2  # one waits, one is in hand
        time.sleep(0.001)
    slot.close()
    consumer.join(5)
    assert taken == sorted(set(taken))
    assert taken[-1] == 1999
    assert len(taken) + slot.skipped == slot.received == 2000
