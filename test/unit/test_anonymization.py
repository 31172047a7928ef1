# SPDX-License-Identifier: Apache-2.0
"""Blurred faces cannot be recognized; the rest of the image is unchanged."""

import numpy as np
import pytest

from emotion_perception.anonymization import FaceBlurrer, blur_faces
from emotion_perception.pipeline import Pipeline
from emotion_perception.types import Box, Detection
from emotion_perception.visualization import annotate
from support.sharpness import detail

BOX = Box(200, 120, 160, 180)
MAX_DETAIL = 0.01
"""Largest part of a face's detail (variance of the Laplacian) that may be left."""


@pytest.fixture(scope='module')
def noise():
    """Return an image full of detail, read-only as images of messages are."""
    image = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


class Search:
    """Finds the given boxes, one list an image, and keeps the thresholds of each call."""

    def __init__(self, *images):
        """Take a list of boxes for each image."""
        self.images, self.thresholds = list(images), []

    def __call__(self, image, min_detection_score, min_face_px):
        """Return the next detections."""
        self.thresholds.append((min_detection_score, min_face_px))
        return [Detection(box, 0.4) for box in self.images.pop(0)]


def test_a_face_and_its_margin_are_blurred_and_nothing_else(noise):
    out = blur_faces(noise, [BOX])
    assert detail(out, BOX) < MAX_DETAIL * detail(noise, BOX)
    changed = (out != noise).any(axis=-1)
    # a quarter more on each side of 160x180 at 200,120
    assert changed[75:345, 160:400].mean() > 0.95
    changed[75:345, 160:400] = False
    assert not changed.any()


def test_brightness_is_kept(noise):
    tinted = np.array(noise) // 4
    tinted[..., 2] += 100
    x, y, w, h = BOX
    region = np.s_[y : y + h, x : x + w]
    out = blur_faces(tinted, [BOX])
    assert out[region].mean((0, 1)) == pytest.approx(tinted[region].mean((0, 1)), abs=5)


def test_without_faces_the_image_is_copied(noise):
    out = blur_faces(noise, [])
    assert np.array_equal(out, noise)
    assert not np.shares_memory(out, noise)


@pytest.mark.parametrize(
    'box', [(0, 0, 640, 480), (0, 0, 30, 30), (610, 450, 30, 30), (639, 479, 1, 1), (5, 5, 2, 90)]
)
def test_boxes_at_the_border_and_of_odd_sizes(noise, box):
    out = blur_faces(noise, [Box(*box)])
    assert out.shape == noise.shape
    if min(box[2:]) > 10:
        assert detail(out, box) < 0.1 * detail(noise, box)


def test_image_of_one_pixel():
    assert blur_faces(np.zeros((1, 1, 3), np.uint8), [Box(0, 0, 1, 1)]).shape == (1, 1, 3)


def test_overlapping_boxes_are_both_blurred(noise):
    boxes = [BOX, Box(280, 150, 160, 180)]
    out = blur_faces(noise, boxes)
    for box in boxes:
        # one edge is left between two blurred squares
        assert detail(out, box) < 0.05 * detail(noise, box)


def test_faces_below_the_thresholds_of_the_node_are_blurred_too(noise):
    search = Search([BOX])
    out = FaceBlurrer(search).blur(noise, [])
    assert detail(out, BOX) < MAX_DETAIL * detail(noise, BOX)
    assert search.thresholds == [(0.3, 12)]


def test_a_face_that_is_missed_for_a_moment_stays_blurred(noise):
    times = iter((0.0, 0.6, 0.8))
    blurrer = FaceBlurrer(Search([BOX], [], []), lambda: next(times))
    left = [detail(blurrer.blur(noise, []), BOX) / detail(noise, BOX) for _ in range(3)]
    assert max(left[:2]) < MAX_DETAIL
    assert left[2] == 1


def test_places_in_an_image_of_another_size_are_forgotten(noise):
    blurrer = FaceBlurrer(Search([BOX], []), lambda: 0.0)
    blurrer.blur(noise, [])
    small = np.ascontiguousarray(noise[:240, :320])
    assert np.array_equal(blurrer.blur(small, []), small)


def test_a_real_face_is_no_longer_detected_and_its_label_is_drawn(portrait, detector, classifier):
    pipeline = Pipeline(detector, classifier)
    (face,) = pipeline.process(portrait)
    blurred = FaceBlurrer(pipeline.search_faces).blur(portrait, [face])
    assert detail(blurred, face.box) < MAX_DETAIL * detail(portrait, face.box)
    assert detector.detect(blurred) == []
    # the space shuttle in the background is as sharp as before
    assert np.array_equal(blurred[:100, 400:], portrait[:100, 400:])
    drawn = (annotate(blurred, [face]) != blurred).any(axis=-1)
    x, y, w, _ = face.box
    assert drawn[y, x : x + w].mean() > 0.9
    assert drawn[y - 15 : y - 5, x : x + w].mean() > 0.8
