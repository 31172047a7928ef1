# SPDX-License-Identifier: Apache-2.0
"""What is drawn onto an image, where, and in which color."""

import math
from dataclasses import replace

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Box, FaceEmotion, HeadPose
from emotion_perception.visualization import COLORS, annotate


def face(box, label='happiness', face_id=1, smoothed=(0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05)):
    """Return a face as the pipeline returns it."""
    smoothed = np.asarray(smoothed, np.float32)
    return FaceEmotion(face_id, Box(*box), 0.9, smoothed, smoothed, label, 0.7, 0.0)


@pytest.fixture(scope='module')
def image():
    """Return a dark image, read-only as images of messages are."""
    image = np.full((480, 640, 3), 17, np.uint8)
    image.flags.writeable = False
    return image


def has_color(image, color):
    """Return which pixels have a color, bool [H, W]."""
    return (image == color).all(axis=2)


def test_every_label_has_its_own_color():
    assert set(COLORS) == {*EMOTIONS, UNCERTAIN}
    assert len(set(COLORS.values())) == len(COLORS)


def test_without_faces_the_image_is_copied(image):
    out = annotate(image, [])
    assert np.array_equal(out, image)
    assert not np.shares_memory(out, image)
    assert out.flags.writeable


@pytest.mark.parametrize('label', [*EMOTIONS, UNCERTAIN])
def test_box_and_label_have_the_color_of_the_label(image, label):
    out = annotate(image, [face((200, 150, 120, 130), label)])
    drawn = has_color(out, COLORS[label])
    for row, column in ((210, 200), (210, 320), (150, 260), (280, 260)):
        assert drawn[row - 1 : row + 2, column - 1 : column + 2].any()
    assert drawn[125:148, 200:300].mean() > 0.2
    # the face itself is not covered
    assert (out[156:274, 206:314] == 17).all()


def test_bars_are_as_long_as_the_probabilities(image):
    smoothed = (0.1, 0.0, 0.3, 0.6, 0.0, 0.0, 0.0)
    out = annotate(image, [face((200, 100, 200, 120), UNCERTAIN, smoothed=smoothed)])
    for label, probability in zip(EMOTIONS, smoothed, strict=True):
        widest = has_color(out[226:, 200:401], COLORS[label]).sum(axis=1).max()
        assert widest == pytest.approx(200 * probability, abs=4), label


def test_bars_do_not_cover_another_face(image):
    faces = [face((200, 100, 120, 130)), face((210, 260, 120, 130), 'anger', 2)]
    out = annotate(image, faces)
    assert (out[266:384, 216:324] == 17).all()
    assert has_color(out, COLORS['happiness'])[130, 198:203].any()
    assert has_color(out, COLORS['anger'])[300, 208:213].any()


def test_ids_are_drawn_with_tracking_only(image):
    tracked, untracked = (annotate(image, [face((200, 150, 120, 130), face_id=n)]) for n in (7, 0))
    color = COLORS['happiness']
    assert has_color(tracked, color)[148].sum() > has_color(untracked, color)[148].sum() + 10


@pytest.mark.parametrize(
    'box',
    [(0, 0, 640, 480), (0, 0, 40, 40), (600, 440, 40, 40), (630, 5, 10, 10), (5, 470, 10, 10)],
)
def test_the_label_stays_inside_the_image(image, box):
    out = annotate(image, [face(box)])
    x, y = min(box[0], 640 - 130), max(box[1], 20)
    assert has_color(out, COLORS['happiness'])[y - 19 : y, x : x + 120].mean() > 0.5


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (300, 1), (20, 20), (2160, 3840)])
def test_image_sizes(size):
    box = (size[1] // 4, size[0] // 4, max(size[1] // 2, 1), max(size[0] // 2, 1))
    out = annotate(np.zeros((*size, 3), np.uint8), [face(box)])
    assert out.shape == (*size, 3)
    assert out.any()


def test_lines_are_thicker_in_a_large_image():
    widths = []
    for scale in (1, 3):
        image = np.zeros((480 * scale, 640 * scale, 3), np.uint8)
        out = annotate(image, [face([value * scale for value in (200, 150, 120, 130)])])
        widths.append(has_color(out, COLORS['happiness'])[215 * scale, : 300 * scale].sum())
    assert widths[1] >= 2 * widths[0] >= 2


@pytest.mark.parametrize(
    ('yaw_deg', 'pitch_deg', 'rotate', 'toward'),
    [(60, 0, 0, (1, 0)), (-60, 0, 0, (-1, 0)), (0, 60, 0, (0, 1)), (60, 0, 270, (0, 1))],
)
def test_an_arrow_shows_where_the_head_is_directed(image, yaw_deg, pitch_deg, rotate, toward):
    pose = HeadPose(math.radians(yaw_deg), math.radians(pitch_deg), 0.0, 1.0, 0.0)
    without = face((300, 200, 80, 80))
    with_pose = replace(without, head_pose=pose, head_pose_age_s=0.0)
    changed = (annotate(image, [without], rotate) != annotate(image, [with_pose], rotate)).any(2)
    y, x = np.nonzero(changed)
    along = (x - 340) * toward[0] + (y - 240) * toward[1]
    # as long outside the box as the turn is large; the face is not covered
    assert along.max() == pytest.approx(40 + 40 * math.sin(math.radians(60)), abs=7)
    assert along.min() >= 38


def test_a_ring_shows_that_the_head_is_directed_at_the_camera(image):
    pose = HeadPose(0.05, 0.0, 0.0, 1.0, 0.0)
    without = face((300, 200, 80, 80))
    with_pose = replace(without, head_pose=pose, head_pose_age_s=0.0)
    changed = (annotate(image, [without]) != annotate(image, [with_pose])).any(2)
    y, x = np.nonzero(changed)
    assert (x.mean(), y.mean()) == pytest.approx((388, 205), abs=2)
    assert not changed[205, 388]
    # at the border of the image it is on the other side
    at_border = replace(with_pose, box=Box(555, 200, 80, 80))
    plain = replace(at_border, head_pose=None)
    x = np.nonzero((annotate(image, [plain]) != annotate(image, [at_border])).any(2))[1]
    assert 530 < x.min() < x.max() < 556
