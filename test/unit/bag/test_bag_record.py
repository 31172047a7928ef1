# SPDX-License-Identifier: Apache-2.0
"""Recordings made from videos and image files."""

import threading

import cv2
import numpy as np
import pytest

from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.bag.record import record_bag
from emotion_perception.errors import BagError
from emotion_perception.imaging.sources import MovingImageSource
from emotion_perception.ros.conversions import image_to_bgr, seconds
from support.films import write_avi


@pytest.fixture
def clip(tmp_path, portrait):
    """Return the path of a video of twelve frames at 10 Hz."""
    source = MovingImageSource(portrait, (160, 120))
    return write_avi(tmp_path / 'clip.avi', [source.read() for _ in range(12)], 10)


def images(path, types):
    """Return topic, stamps and images of a recording."""
    with open_bag(path) as bag:
        (connection,) = image_connections(bag)
        rows = list(bag.messages([connection]))
    messages = [types.decode_image(data, connection.msgtype) for _, _, data in rows]
    stamps = [seconds(message.header.stamp) for message in messages]
    assert stamps == pytest.approx([stamp_ns / 1e9 for _, stamp_ns, _ in rows])
    return connection.topic, stamps, [image_to_bgr(message) for message in messages]


def frames(path):
    """Return the frames of a video."""
    source, found = cv2.VideoCapture(str(path)), []
    while (frame := source.read()[1]) is not None:
        found.append(frame)
    return found


def test_a_video_as_raw_images(tmp_path, clip, types):
    made = record_bag(str(clip), tmp_path / 'bag')
    assert (made.topic, made.images) == ('/camera/image_raw', 12)
    assert made.duration_s == pytest.approx(1.1)
    topic, stamps, recorded = images(tmp_path / 'bag', types)
    assert topic == made.topic
    assert stamps == pytest.approx([1 + n / 10 for n in range(12)])
    assert np.array_equal(recorded, frames(clip))


def test_a_video_as_jpeg(tmp_path, clip, types):
    made = record_bag(str(clip), tmp_path / 'bag', 'jpeg', topic='eye/compressed')
    assert made.topic == '/eye/compressed'
    _, _, recorded = images(tmp_path / 'bag', types)
    assert np.abs(np.subtract(recorded, frames(clip), dtype=float)).mean() < 2


@pytest.mark.parametrize('image_format', ['raw', 'jpeg'])
def test_a_video_gives_the_same_recording_every_time(tmp_path, clip, image_format):
    for name in ('one', 'two'):
        record_bag(str(clip), tmp_path / name, image_format, compress=True)
    for file in ('bag.mcap', 'metadata.yaml'):
        assert (tmp_path / 'one' / file).read_bytes() == (tmp_path / 'two' / file).read_bytes()


def test_a_maximum_duration(tmp_path, clip):
    made = record_bag(str(clip), tmp_path / 'bag', seconds=0.5)
    assert (made.images, made.duration_s) == (5, pytest.approx(0.4))


def test_an_image_file_never_ends(tmp_path):
    with pytest.raises(BagError, match='never ends; limit it with --seconds'):
        record_bag('portrait', tmp_path / 'bag')
    assert list(tmp_path.iterdir()) == []
    assert record_bag('portrait', tmp_path / 'bag', seconds=0.5).images == 15


def test_the_frames_before_ctrl_c_are_kept(tmp_path, monkeypatch, types):
    stopped, read, frames_read = threading.Event(), MovingImageSource.read, []

    def count(self):
        frames_read.append(self)
        if len(frames_read) == 5:
            stopped.set()
        return read(self)

    monkeypatch.setattr(MovingImageSource, 'read', count)
    made = record_bag('portrait', tmp_path / 'bag', seconds=60, stopped=stopped)
    assert made.images == 5
    assert len(images(tmp_path / 'bag', types)[1]) == 5


def test_a_camera_is_stamped_by_the_clock(tmp_path, clip, monkeypatch, types):
    """A video file stands for the camera."""
    from emotion_perception.bag import record
    from emotion_perception.imaging.sources import VideoSource

    camera = VideoSource(str(clip))
    camera.live = True
    monkeypatch.setattr(record, 'open_source', lambda *_, **__: camera)
    monkeypatch.setattr(record.time, 'time_ns', iter(range(7 * 10**9, 8 * 10**9, 10**6)).__next__)
    made = record_bag('0', tmp_path / 'bag')
    assert made.images == 12
    assert images(tmp_path / 'bag', types)[1] == pytest.approx([7 + n / 1000 for n in range(12)])


def test_names_with_line_ends_and_other_bytes(run, tmp_path, clip):
    names = [f'{name}\n\udce9' for name in ('recorded', 'with', 'page')]
    recorded, processed, page = (tmp_path / name for name in names)
    escaped = [f'{tmp_path}/{name}\\n\\udce9' for name in ('recorded', 'with', 'page')]
    code, out, _ = run('record', clip, '-o', recorded, '--seconds', '0.2')
    assert (code, out.split(': ')[0]) == (0, escaped[0])
    code, out, _ = run('process', recorded, '-o', processed)
    assert (code, out.split(': ')[0]) == (0, escaped[1])
    code, out, _ = run('report', processed, '-o', page)
    assert (code, out) == (0, f'{escaped[2]}\n')
    assert 'with\\n\\udce9' in page.read_text()


@pytest.mark.parametrize(
    ('source', 'message'),
    [('nothing.mp4', 'there is no camera, video or image'), ('97', 'cannot be opened')],
)
def test_a_source_that_cannot_be_opened(run, tmp_path, source, message):
    code, _, errors = run('record', source, '-o', tmp_path / 'bag')
    assert code == 2
    assert message in errors[-1]
    assert list(tmp_path.iterdir()) == []
