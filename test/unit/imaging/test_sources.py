# SPDX-License-Identifier: Apache-2.0
"""Sources of frames: a moving image, video files, and what cannot be opened."""

import functools
import http.server
import importlib.util
import itertools
import re
import threading

import cv2
import numpy as np
import pytest

from emotion_perception.errors import SourceError
from emotion_perception.imaging import sources
from emotion_perception.imaging.sources import (
    MovingImageSource,
    VideoSource,
    open_source,
)
from support.films import write_avi, write_film


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *_):
        """Write nothing."""


COLORS = ((0, 0, 220), (0, 220, 0), (220, 0, 0), (200, 200, 200), (20, 20, 20))


@pytest.mark.parametrize('state', ['not installed', 'without data'])
def test_missing_portrait(monkeypatch, tmp_path, state):
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
        *(
            (name, f'there is no camera, video or image .*{name}')
            for name in ('nowhere.mp4', 'nowhere.png', 'video99')
        ),
        ('page.mp4', 'page.mp4 cannot be opened: it is no video that OpenCV reads'),
        ('page.jpg', 'page.jpg cannot be read: not an image: it starts with'),
        ('folder', 'folder holds no image'),
        ('frame_%03d.jpg', 'no file .*frame_%03d.jpg'),
        ('rtsp://127.0.0.1:1/film', 'cannot be opened: is the address right, and does the stream'),
        ('videotestsrc ! appsink', 'cannot be opened: this build of OpenCV has no GStreamer'),
    ],
)
def test_sources_that_cannot_be_opened(tmp_path, monkeypatch, name, message):
    (tmp_path / 'page.mp4').write_text('<!DOCTYPE html>')
    (tmp_path / 'page.jpg').write_text('<!DOCTYPE html>')
    (tmp_path / 'folder').mkdir()
    monkeypatch.setattr(cv2.videoio_registry, 'hasBackend', lambda backend: False)
    source = name if ' ! ' in name or '://' in name else str(tmp_path / name)
    with pytest.raises(SourceError, match=message):
        open_source(source)


@pytest.mark.parametrize('scheme', ['file', 'http'])
def test_the_times_of_a_film_with_an_address_are_its_own(tmp_path, scheme):
    """They were those of the clock, as if it were a camera."""
    write_avi(tmp_path / 'a.mp4', [np.zeros((48, 64, 3), np.uint8)] * 4, 2.0, 'mp4v')
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = (tmp_path / 'a.mp4').as_uri()
        if scheme == 'http':
            address = f'http://127.0.0.1:{server.server_port}/a.mp4'
        source = open_source(address, loop=False)
        times_s = []
        while source.read() is not None:
            times_s.append(source.time_s)
        source.close()
        server.shutdown()
    assert not source.live
    assert times_s == pytest.approx([0, 0.5, 1, 1.5], abs=0.01)


@pytest.mark.parametrize('logging_moved', [True, False])
def test_missing_device(monkeypatch, logging_moved):
    """OpenCV is silenced while it tries; before version 4.13 its switch was elsewhere."""
    levels = [3]
    if not logging_moved:
        monkeypatch.delattr(cv2.utils, 'logging', raising=False)
    monkeypatch.setattr(
        getattr(cv2.utils, 'logging', cv2),
        'setLogLevel',
        lambda level: levels.append(level) or levels[-2],
        raising=False,
    )
    with pytest.raises(SourceError, match='97 cannot be opened: is the camera there and not in'):
        open_source('97')
    assert levels == [3, 0, 3]


@pytest.mark.parametrize('size', [(160, 120), (640, 480), (480, 640), (1920, 1080), (7, 300)])
def test_a_moving_image_has_the_requested_size(portrait, size):
    frame = MovingImageSource(portrait, size).read()
    assert (frame.shape, frame.dtype) == ((size[1], size[0], 3), np.uint8)


def test_a_moving_image_is_the_same_every_time_and_moves_slowly(portrait):
    first, second = MovingImageSource(portrait), open_source('portrait')
    frames = [first.read() for _ in range(31)]
    for frame in frames:
        assert np.array_equal(frame, second.read())
    first.close()
    second.close()
    frames = [frame.astype(int) for frame in frames]
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0.05
    assert max(steps) < 15
    assert np.abs(frames[30] - frames[0]).mean() > 2 * max(steps)


def test_the_speed_of_a_moving_image_does_not_depend_on_the_rate(portrait):
    after_a_second = []
    for rate_hz in (5, 10, 30):
        source = MovingImageSource(portrait, rate_hz=rate_hz)
        assert source.rate_hz == rate_hz
        after_a_second.append([source.read() for _ in range(rate_hz + 1)][-1])
    assert np.array_equal(after_a_second[0], after_a_second[1])
    assert np.array_equal(after_a_second[0], after_a_second[2])


def test_a_moving_image_fills_the_frame():
    image = np.full((100, 80, 3), 50, np.uint8)
    image[2:-2, 2:-2] = 200
    source = MovingImageSource(image, (160, 120), rate_hz=10)
    for _ in range(600):
        dark = source.read()[..., 0] < 100
        assert dark.all(axis=1).sum() <= 6
        assert dark.all(axis=0).sum() <= 6


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.PNG'])
def test_image_file(tmp_path, portrait, suffix):
    path = tmp_path / f'face{suffix}'
    cv2.imwrite(str(path), portrait)
    source = open_source(str(path), size=(320, 240), rate_hz=12)
    assert source.rate_hz == 12
    expected = MovingImageSource(portrait, (320, 240), 12).read().astype(int)
    assert np.abs(source.read().astype(int) - expected).mean() < (3 if suffix == '.jpg' else 0.01)


@pytest.fixture
def clip(tmp_path):
    """Return the path of a video of five frames, each of one color, at 12 Hz."""
    frames = [np.full((48, 64, 3), color, np.uint8) for color in COLORS]
    return str(write_avi(tmp_path / 'clip.avi', frames, 12))


def color_index(frame):
    """Return which of the colors a frame has."""
    assert frame.shape == (48, 64, 3)
    distance = np.abs(np.array(COLORS) - frame.mean(axis=(0, 1))).max(axis=1)
    assert distance.min() < 12
    return int(distance.argmin())


def test_a_video_ends_after_its_last_frame(clip):
    source = open_source(clip, loop=False)
    assert source.rate_hz == pytest.approx(12)
    assert [color_index(source.read()) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert source.read() is None
    assert source.read() is None
    source.close()


def test_a_looped_video_starts_again_until_it_is_closed(clip):
    source = open_source(clip)
    assert [color_index(source.read()) for _ in range(17)] == [0, 1, 2, 3, 4] * 3 + [0, 1]
    source.close()
    assert source.read() is None


def test_a_video_keeps_its_size(clip):
    source = VideoSource(clip, size=(320, 240))
    assert source.read().shape == (48, 64, 3)
    source.close()


def test_an_impossible_rate_becomes_30_hz(tmp_path):
    clip = write_avi(tmp_path / 'fast.avi', [np.zeros((48, 64, 3), np.uint8)], 1000)
    assert open_source(str(clip)).rate_hz == 30.0


@pytest.mark.parametrize(
    ('times_ms', 'rate_hz'),
    [([0, 40, 1040, 5000, 5033], 25), ([500, 2500, 4500], 0.5), (range(0, 80, 2), 500)],
    ids=['irregular', 'half a frame a second', '500 frames a second'],
)
def test_the_times_of_a_film_are_its_own(tmp_path, times_ms, rate_hz):
    frames = [np.full((48, 64, 3), 5 * n, np.uint8) for n in range(len(times_ms))]
    write_film(tmp_path / 'film.mkv', frames, times_ms, rate_hz)
    source = open_source(str(tmp_path / 'film.mkv'), loop=False)
    found = []
    while source.read() is not None:
        found.append(source.time_s)
    assert found == pytest.approx([(t - times_ms[0]) / 1000 for t in times_ms], abs=0.001)
    assert (source.live, source.read()) == (False, None)
    assert source.rate_hz == pytest.approx(rate_hz, rel=0.01)


def test_a_film_without_usable_times_goes_by_its_rate(tmp_path):
    write_film(tmp_path / 'film.mkv', [np.zeros((48, 64, 3), np.uint8)] * 4, [0, 0, 0, 0])
    source = VideoSource(str(tmp_path / 'film.mkv'))
    source.rate_hz = 10.0
    times = []
    while source.read() is not None:
        times.append(source.time_s)
    assert times == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize('name', ['', 'frame_%d.png', 'frame_%03d.png'])
def test_numbered_images_are_a_film(tmp_path, name):
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f'frame_{number}.png'), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / '._frame_1.png').write_text('of the system')
    (tmp_path / 'notes.txt').write_text('no image')
    source = open_source(str(tmp_path / name), rate_hz=4, loop=False)
    found = []
    while (frame := source.read()) is not None:
        found.append((frame[0, 0, 0], source.time_s))
    assert found == [(1, 0.0), (2, 0.25), (10, 0.5)]
    looped = open_source(str(tmp_path / name), loop=True)
    assert [looped.read()[0, 0, 0] for _ in range(4)] == [1, 2, 10, 1]
    cv2.imwrite(str(tmp_path / 'frame_2.png'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'frame_1.png').write_text('no image')
    source = open_source(str(tmp_path / name), rate_hz=4, loop=False)
    assert (source.read()[0, 0, 0], source.time_s) == (0, 0.25)
    assert (source.read()[0, 0, 0], source.time_s) == (10, 0.5)
    assert source.read() is None
    (problem,) = source.problems
    assert re.search(r'frame_1\.png cannot be read: not an image', problem)
    for number in (2, 10):
        (tmp_path / f'frame_{number}.png').write_text('no image')
    with pytest.raises(SourceError, match=r'frame_10\.png cannot be read: not an image'):
        open_source(str(tmp_path / name)).read()


def test_a_film_that_was_cut_short(tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(40)]
    whole, cut = write_avi(tmp_path / 'whole.avi', frames, 25), tmp_path / 'cut.avi'
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    for path, problems in ((whole, 0), (cut, 1)):
        source = open_source(str(path), loop=False)
        while source.read() is not None:
            pass
        assert source.read() is None
        assert len(source.problems) == problems
    pattern = r'cut\.avi ends after 0\.\d of 1\.6 s: is the file whole\?'
    assert re.search(pattern, source.problems[0])


def test_a_camera_goes_by_the_clock(tmp_path, monkeypatch):
    """A camera that is slower than it says, such as in the dark, is not played too fast."""
    write_film(tmp_path / 'film.mkv', [np.zeros((48, 64, 3), np.uint8)] * 4, [0, 40, 80, 120])
    source = VideoSource(str(tmp_path / 'film.mkv'))
    source.live = True
    monkeypatch.setattr(sources.time, 'monotonic', iter([50.0, 50.1, 50.5, 51.0]).__next__)
    times = []
    while source.read() is not None:
        times.append(source.time_s)
    assert times == pytest.approx([0, 0.1, 0.5, 1.0])
