"""Hidden faces: nothing of them is left to see, everything else is."""

import threading

import cv2
import numpy as np
import pytest

from emotion_perception.anonymization import FaceBlurrer, blur_faces
from emotion_perception.pipeline import Pipeline
from emotion_perception.types import Box, Detection
from emotion_perception.visualization import annotate

BOX = Box(200, 120, 160, 180)
DETAIL_LEFT = 0.01
"""At most this share of a face's detail (variance of the Laplacian) may be left."""


def detail(image, box=BOX):
    """Return the variance of the Laplacian inside a box: what edges there are."""
    x, y, w, h = box
    gray = cv2.cvtColor(image[y : y + h, x : x + w], cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_64F).var())


@pytest.fixture
def noise():
    """Return a picture that is nothing but detail, read-only as images of messages are."""
    image = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


class Scripted:
    """A detector that sees what it is told, one list of boxes an image, and notes by which thresholds."""

    def __init__(self, *images):
        """Begin with the first list."""
        self.images = list(images)
        self.min_detection_score, self.min_face_px = 0.5, 40
        self.asked = []

    def detect(self, image):
        """Return the next faces."""
        self.asked.append((self.min_detection_score, self.min_face_px))
        found = self.images.pop(0)
        if isinstance(found, Exception):
            raise found
        return [Detection(box, 0.4) for box in found]


def make_veil(detector, times=()):
    """Return a veil with a clock that stands, or tells the given times."""
    left = list(times)
    return FaceBlurrer(detector, threading.Lock(), lambda: left.pop(0) if left else 0.0)


def test_a_face_loses_its_detail_and_the_rest_stays(noise):
    out = blur_faces(noise, [BOX])
    assert detail(out) < DETAIL_LEFT * detail(noise)
    changed = (out != noise).any(axis=-1)
    # a quarter more at each side of 160x180 at 200,120
    assert changed[75:345, 160:400].mean() > 0.95
    changed[75:345, 160:400] = False
    assert not changed.any()


def test_brightness_stays(noise):
    tinted = np.array(noise) // 4
    tinted[..., 2] += 100
    out = blur_faces(tinted, [BOX])
    x, y, w, h = BOX
    region = np.s_[y : y + h, x : x + w]
    assert out[region].mean((0, 1)) == pytest.approx(tinted[region].mean((0, 1)), abs=5)


def test_the_picture_that_came_in_is_not_changed(noise):
    before = noise.copy()
    out = blur_faces(noise, [BOX])
    assert np.array_equal(noise, before)
    assert not np.shares_memory(out, noise)
    assert np.array_equal(blur_faces(noise, []), noise)


@pytest.mark.parametrize(
    'box', [(0, 0, 640, 480), (0, 0, 30, 30), (610, 450, 30, 30), (639, 479, 1, 1), (5, 5, 2, 90)]
)
def test_at_the_border_and_of_odd_sizes(noise, box):
    out = blur_faces(noise, [Box(*box)])
    assert out.shape == noise.shape
    if min(box[2:]) > 10:
        assert detail(out, box) < 0.1 * detail(noise, box)


def test_the_smallest_picture():
    assert blur_faces(np.zeros((1, 1, 3), np.uint8), [Box(0, 0, 1, 1)]).shape == (1, 1, 3)


def test_boxes_that_overlap_are_both_hidden(noise):
    boxes = [BOX, Box(280, 150, 160, 180)]
    out = blur_faces(noise, boxes)
    for box in boxes:
        # between two blurred squares lies one edge
        assert detail(out, box) < 0.05 * detail(noise, box)


def test_what_may_be_a_face_is_hidden_too_and_the_thresholds_come_back(noise):
    detector = Scripted([BOX])
    out = make_veil(detector).hide(noise, [])
    assert detail(out) < DETAIL_LEFT * detail(noise)
    assert detector.asked == [(0.3, 12)]
    assert (detector.min_detection_score, detector.min_face_px) == (0.5, 40)


def test_thresholds_that_are_lower_stay_and_come_back_after_an_error(noise):
    detector = Scripted(ValueError('broken'))
    detector.min_detection_score, detector.min_face_px = 0.1, 5
    with pytest.raises(ValueError, match='broken'):
        make_veil(detector).hide(noise, [])
    assert detector.asked == [(0.1, 5)]
    assert (detector.min_detection_score, detector.min_face_px) == (0.1, 5)


def test_a_face_that_is_missed_for_a_moment_does_not_flash_up(noise):
    veil = make_veil(Scripted([BOX], [], []), (0.0, 0.6, 0.8))
    shares = [detail(veil.hide(noise, [])) / detail(noise) for _ in range(3)]
    assert max(shares[:2]) < DETAIL_LEFT
    assert shares[2] == 1


def test_places_in_a_picture_of_another_size_are_forgotten(noise):
    veil = make_veil(Scripted([BOX], []))
    veil.hide(noise, [])
    small = np.ascontiguousarray(noise[:240, :320])
    assert np.array_equal(veil.hide(small, []), small)


def test_a_real_face_is_no_face_any_more_and_its_label_is_kept(portrait, detector, classifier):
    pipeline = Pipeline(detector, classifier)
    (face,) = pipeline.process(portrait)
    hidden = make_veil(detector).hide(portrait, [face])
    assert detail(hidden, face.box) < DETAIL_LEFT * detail(portrait, face.box)
    assert detector.detect(hidden) == []
    # the space shuttle beside her is as sharp as before
    assert np.array_equal(hidden[:100, 400:], portrait[:100, 400:])
    drawn = (annotate(hidden, [face]) != hidden).any(axis=-1)
    x, y, w, _ = face.box
    assert drawn[y, x : x + w].mean() > 0.9
    assert drawn[y - 15 : y - 5, x : x + w].mean() > 0.8
