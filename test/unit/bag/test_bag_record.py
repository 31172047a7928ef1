"""Recordings made from videos and pictures."""

import threading

import cv2
import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.bag.record import record_bag
from emotion_perception.errors import BagError, SourceError
from emotion_perception.imaging.sources import MovingImageSource
from emotion_perception.ros.conversions import image_to_bgr, seconds


@pytest.fixture
def clip(tmp_path, portrait):
    """Return the path of a video of twelve frames at 10 Hz."""
    path = tmp_path / 'clip.avi'
    source = MovingImageSource(portrait, (160, 120))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (160, 120))
    for _ in range(12):
        writer.write(source.read())
    writer.release()
    return path


def images(path, types):
    """Return topic, stamps and pictures of a recording."""
    with open_bag(path) as bag:
        (connection,) = image_connections(bag)
        messages = [
            types.decode_image(m[2], connection.msgtype) for m in bag.messages([connection])
        ]
        times = [time / 1e9 for _, time, _ in bag.messages([connection])]
    stamps = [seconds(message.header.stamp) for message in messages]
    assert stamps == pytest.approx(times)
    return connection.topic, stamps, [image_to_bgr(message) for message in messages]


def frames(path):
    """Return the frames of a video."""
    source, found = cv2.VideoCapture(str(path)), []
    while (frame := source.read()[1]) is not None:
        found.append(frame)
    return found


def test_a_video_as_it_is(tmp_path, clip, types):
    made = record_bag(str(clip), tmp_path / 'bag')
    assert (made.topic, made.images) == ('/camera/image_raw', 12)
    assert made.span_s == pytest.approx(1.1)
    topic, stamps, pictures = images(tmp_path / 'bag', types)
    assert topic == made.topic
    assert stamps == pytest.approx([1 + n / 10 for n in range(12)])
    assert np.array_equal(pictures, frames(clip))


def test_a_video_as_jpeg(tmp_path, clip, types):
    made = record_bag(str(clip), tmp_path / 'bag', 'jpeg', topic='eye/compressed')
    assert made.topic == '/eye/compressed'
    _, _, pictures = images(tmp_path / 'bag', types)
    assert np.abs(np.subtract(pictures, frames(clip), dtype=float)).mean() < 2


@pytest.mark.parametrize('form', ['raw', 'jpeg'])
def test_a_video_gives_the_same_recording_every_time(tmp_path, clip, form):
    for name in ('one', 'two'):
        record_bag(str(clip), tmp_path / name, form, compress=True)
    for file in ('bag.mcap', 'metadata.yaml'):
        assert (tmp_path / 'one' / file).read_bytes() == (tmp_path / 'two' / file).read_bytes()


def test_a_part_of_it(tmp_path, clip):
    made = record_bag(str(clip), tmp_path / 'bag', seconds=0.5)
    assert (made.images, made.span_s) == (5, pytest.approx(0.4))


def test_a_picture_never_ends(tmp_path):
    with pytest.raises(BagError, match='never ends; say how long with --seconds'):
        record_bag('portrait', tmp_path / 'bag')
    assert list(tmp_path.iterdir()) == []
    assert record_bag('portrait', tmp_path / 'bag', seconds=0.5).images == 15


def test_being_stopped_keeps_what_was_taken(tmp_path, monkeypatch, types):
    stopped, read = threading.Event(), MovingImageSource.read

    def count(self):
        if self._frame == 4:
            stopped.set()
        return read(self)

    monkeypatch.setattr(MovingImageSource, 'read', count)
    made = record_bag('portrait', tmp_path / 'bag', seconds=60, stopped=stopped)
    assert made.images == 5
    assert len(images(tmp_path / 'bag', types)[1]) == 5


def test_a_camera_is_stamped_by_the_clock(tmp_path, clip, monkeypatch, types):
    """A video in place of the camera, whose number it does not have."""
    from emotion_perception.bag import record
    from emotion_perception.imaging.sources import VideoSource

    monkeypatch.setattr(record, 'open_source', lambda *_, **__: VideoSource(str(clip)))
    monkeypatch.setattr(record.time, 'time_ns', iter(range(7 * 10**9, 8 * 10**9, 10**6)).__next__)
    made = record_bag('0', tmp_path / 'bag')
    assert made.images == 12
    assert images(tmp_path / 'bag', types)[1] == pytest.approx([7 + n / 1000 for n in range(12)])


@pytest.mark.parametrize(
    ('source', 'said'),
    [('nothing.mp4', 'there is no camera, video or image'), ('97', 'cannot be opened')],
)
def test_what_cannot_be_opened(capfd, tmp_path, source, said):
    with pytest.raises(SourceError, match=said):
        record_bag(source, tmp_path / 'bag')
    code = cli.main(['bag', 'record', source, '-o', str(tmp_path / 'bag')])
    assert code == 2
    assert said in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('value', ['0', '-1', 'nan', 'inf', 'long'])
def test_impossible_lengths_are_refused(capsys, tmp_path, value):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['bag', 'record', 'portrait', '-o', str(tmp_path / 'bag'), '--seconds', value])
    assert value in capsys.readouterr().err
