"""Which of Fast DDS' files in shared memory are removed, and which are not."""

import fcntl
import os
import time

import pytest

from emotion_perception.ros.shared_memory import remove_orphans


@pytest.fixture
def segment(tmp_path):
    """Make a segment and its lock, as an owner that was killed a minute ago left them."""

    def make(name='fastdds_0123456789abcdef', size=10**6, age_s=60.0):
        paths = tmp_path / name, tmp_path / f'{name}_el'
        paths[0].write_bytes(b'x' * size)
        paths[1].touch()
        for path in paths:
            os.utime(path, (time.time() - age_s,) * 2)
        return paths

    return make


@pytest.mark.parametrize('name', ['fastdds_0123456789abcdef', 'fastrtps_0123456789abcdef'])
def test_what_nobody_owns_goes(segment, tmp_path, name):
    segment(name)
    assert remove_orphans(tmp_path) == pytest.approx(1.0, abs=0.01)
    assert list(tmp_path.iterdir()) == []
    assert remove_orphans(tmp_path) == 0


def test_what_is_in_use_stays(segment, tmp_path):
    data, lock = segment()
    with lock.open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert remove_orphans(tmp_path) == 0
        assert data.exists()
    assert remove_orphans(tmp_path) > 0


def test_what_is_just_being_made_stays(segment, tmp_path):
    data, _ = segment(age_s=1.0)
    assert remove_orphans(tmp_path) == 0
    assert data.exists()


@pytest.mark.parametrize(
    'name', ['fastdds_port7411', 'fast_datasharing_0123', 'fastdds_01234567', 'sem.x', 'camera']
)
def test_what_is_something_else_stays(segment, tmp_path, name):
    """Ports are shared and looked after by Fast DDS itself."""
    data, lock = segment(name)
    assert remove_orphans(tmp_path) == 0
    assert data.exists()
    assert lock.exists()


def test_a_lock_without_a_segment_goes_too(segment, tmp_path):
    data, _ = segment()
    data.unlink()
    assert remove_orphans(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_shared_memory(tmp_path):
    assert remove_orphans(tmp_path / 'missing') == 0
