"""Sources of pictures: a still that seems to move, video files, and what cannot be opened."""

import importlib.util
import itertools

import cv2
import numpy as np
import pytest

from emotion_perception.errors import SourceError
from emotion_perception.imaging.sources import (
    MovingImageSource,
    VideoSource,
    open_source,
    portrait_path,
)


def test_portrait_path(portrait):
    """The portrait is the one of scikit-image, and reading it does not import that."""
    assert portrait_path().name == 'astronaut.png'
    assert portrait.shape == (512, 512, 3)
    assert portrait.mean(axis=(0, 1)) == pytest.approx((96.5, 105.2, 141.6), abs=1)


@pytest.mark.parametrize('state', ['not installed', 'without data'])
def test_missing_portrait(monkeypatch, tmp_path, state):
    """Without scikit-image the message is the command that installs it."""
    spec = None
    if state == 'without data':
        spec = importlib.util.spec_from_loader('skimage', None)
        spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec)
    with pytest.raises(SourceError, match='pip install --no-deps scikit-image'):
        open_source()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere.mp4', 'there is no camera, video or picture .*nowhere.mp4'),
        ('nowhere.png', 'there is no camera, video or picture .*nowhere.png'),
        ('video99', 'there is no camera, video or picture .*video99'),
        ('page.mp4', 'page.mp4 cannot be opened'),
        ('page.jpg', 'page.jpg is not a readable picture'),
        ('folder', 'folder cannot be opened'),
    ],
)
def test_sources_that_cannot_be_opened(tmp_path, name, message):
    """What is not there, or is not what its name says, is named."""
    (tmp_path / 'page.mp4').write_text('<!DOCTYPE html>')
    (tmp_path / 'page.jpg').write_text('<!DOCTYPE html>')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(SourceError, match=message):
        open_source(str(tmp_path / name))


def test_missing_device():
    """A device that is not there is told by its number."""
    with pytest.raises(SourceError, match='camera or video 97 cannot be opened; is it there'):
        open_source('97')


@pytest.mark.parametrize('size', [(160, 120), (640, 480), (480, 640), (1920, 1080), (7, 300)])
def test_size_of_frames(portrait, size):
    """Frames of a still have the size that was asked for."""
    source = MovingImageSource(portrait, size)
    for _ in range(3):
        frame = source.read()
        assert frame.shape == (size[1], size[0], 3)
        assert frame.dtype == np.uint8


def test_still_is_the_same_every_time(portrait):
    """Two cameras over one still see the same film, frame by frame."""
    first, second = MovingImageSource(portrait), open_source('portrait')
    frames = [first.read() for _ in range(40)]
    for frame in frames:
        assert np.array_equal(frame, second.read())
    first.close()
    second.close()


def test_still_moves_slowly(portrait):
    """Neighboring frames differ, by little; distant ones by more."""
    source = MovingImageSource(portrait, (320, 240))
    frames = [source.read().astype(int) for _ in range(31)]
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0.05
    assert max(steps) < 15
    assert np.abs(frames[30] - frames[0]).mean() > 2 * max(steps)


def test_speed_follows_the_rate(portrait):
    """After a second the camera is at the same place at every rate."""
    after_a_second = []
    for rate_hz in (5, 10, 30):
        source = MovingImageSource(portrait, rate_hz=rate_hz)
        assert source.rate_hz == rate_hz
        for _ in range(rate_hz):
            source.read()
        after_a_second.append(source.read())
    assert np.array_equal(after_a_second[0], after_a_second[1])
    assert np.array_equal(after_a_second[0], after_a_second[2])


def test_still_fills_the_frame():
    """No border of the picture is ever seen from outside, in a minute of frames."""
    image = np.full((100, 80, 3), 50, np.uint8)
    image[2:-2, 2:-2] = 200
    source = MovingImageSource(image, (160, 120), rate_hz=10)
    for _ in range(600):
        frame = source.read()
        rows, columns = (frame[..., 0] < 100).all(axis=1), (frame[..., 0] < 100).all(axis=0)
        assert rows.sum() <= 6
        assert columns.sum() <= 6


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.PNG'])
def test_picture_file(tmp_path, portrait, suffix):
    """A picture file is filmed as the portrait is."""
    path = tmp_path / f'face{suffix}'
    cv2.imwrite(str(path), portrait)
    source = open_source(str(path), size=(320, 240), rate_hz=12)
    assert source.rate_hz == 12
    expected = MovingImageSource(portrait, (320, 240), 12).read().astype(int)
    assert np.abs(source.read().astype(int) - expected).mean() < (3 if suffix == '.jpg' else 0.01)


COLORS = ((0, 0, 220), (0, 220, 0), (220, 0, 0), (200, 200, 200), (20, 20, 20))


@pytest.fixture
def clip(tmp_path):
    """Return the path of a video of five frames, each of one color, at 12 Hz."""
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12, (64, 48))
    assert writer.isOpened()
    for color in COLORS:
        writer.write(np.full((48, 64, 3), color, np.uint8))
    writer.release()
    return path


def nearest_color(frame):
    """Return which of the colors a frame has."""
    assert frame.shape == (48, 64, 3)
    distance = np.abs(np.array(COLORS) - frame.mean(axis=(0, 1))).max(axis=1)
    assert distance.min() < 12
    return int(distance.argmin())


def test_video_once(clip):
    """A video that does not begin anew ends after its last frame."""
    source = open_source(str(clip), loop=False)
    assert source.rate_hz == pytest.approx(12)
    assert [nearest_color(source.read()) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert source.read() is None
    assert source.read() is None
    source.close()


def test_video_looped(clip):
    """A looped video goes on with its first frame, in order, as often as needed."""
    source = open_source(str(clip))
    assert [nearest_color(source.read()) for _ in range(17)] == [0, 1, 2, 3, 4] * 3 + [0, 1]
    source.close()


def test_size_of_a_video_is_its_own(clip):
    """The size that is asked of a device does not change a file."""
    source = VideoSource(str(clip), size=(320, 240))
    assert source.read().shape == (48, 64, 3)
    source.close()


def test_closed_video(clip):
    """Nothing can be read after close, not even from a looped video."""
    source = open_source(str(clip))
    source.close()
    assert source.read() is None


def test_odd_rate(tmp_path):
    """A file that claims an impossible rate is played at 30 Hz."""
    path = tmp_path / 'fast.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 1000, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert open_source(str(path)).rate_hz == 30.0


def test_a_missing_device_with_an_opencv_before_4_13(monkeypatch):
    levels = [3]
    monkeypatch.delattr(cv2.utils, 'logging', raising=False)
    monkeypatch.setattr(
        cv2, 'setLogLevel', lambda level: levels.append(level) or levels[-2], raising=False
    )
    with pytest.raises(SourceError, match='camera or video 99 cannot be opened'):
        open_source('99')
    assert levels == [3, 0, 3]
