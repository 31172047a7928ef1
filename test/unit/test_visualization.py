"""What is drawn, where, and in which color."""

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Box, FaceEmotion
from emotion_perception.visualization import COLORS, annotate


def face(box, label='happiness', face_id=1, smoothed=None):
    """Return a face as the pipeline gives it."""
    share = np.full(7, 0.05, np.float32)
    if label in EMOTIONS:
        share[EMOTIONS.index(label)] = 0.7
    share /= share.sum()
    smoothed = share if smoothed is None else np.asarray(smoothed, np.float32)
    return FaceEmotion(face_id, Box(*box), 0.9, share, smoothed, label, 0.7, 0.0)


@pytest.fixture
def image():
    """Return a dark picture, read-only as images of messages are."""
    picture = np.full((480, 640, 3), 17, np.uint8)
    picture.flags.writeable = False
    return picture


def of_color(picture, color):
    """Return which pixels have a color."""
    return (picture == color).all(axis=2)


def test_every_label_has_its_color():
    """No two labels look alike."""
    assert set(COLORS) == {*EMOTIONS, UNCERTAIN}
    assert len(set(COLORS.values())) == len(COLORS)


def test_without_faces(image):
    """Nobody there: the picture as it was, in memory of its own."""
    out = annotate(image, [])
    assert np.array_equal(out, image)
    assert not np.shares_memory(out, image)
    assert out.flags.writeable


@pytest.mark.parametrize('label', [*EMOTIONS, UNCERTAIN])
def test_box_and_label(image, label):
    """The box's four sides and the label's ground have the label's color."""
    out = annotate(image, [face((200, 150, 120, 130), label)])
    drawn = of_color(out, COLORS[label])
    for row, column in ((210, 200), (210, 320), (150, 260), (280, 260)):
        assert drawn[row - 1 : row + 2, column - 1 : column + 2].any()
    assert drawn[125:148, 200:300].mean() > 0.2
    assert not drawn[165:265, 215:305].any()


def test_inside_of_the_box_is_free(image):
    """The face itself is not covered."""
    out = annotate(image, [face((200, 150, 120, 130))])
    assert (out[156:274, 206:314] == 17).all()


def test_input_is_not_changed(image):
    """The picture that came in stays as it was."""
    before = image.copy()
    out = annotate(image, [face((200, 150, 120, 130))])
    assert np.array_equal(image, before)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert not np.array_equal(out, image)


def test_bars_are_as_long_as_the_probabilities(image):
    """Below the box each expression's bar fills its share of the box's width."""
    smoothed = (0.1, 0.0, 0.3, 0.6, 0.0, 0.0, 0.0)
    out = annotate(image, [face((200, 100, 200, 120), UNCERTAIN, smoothed=smoothed)])
    below = out[226:, 200:401]
    for label, share in zip(EMOTIONS, smoothed, strict=True):
        if share:
            widest = of_color(below, COLORS[label]).sum(axis=1).max()
            assert widest == pytest.approx(200 * share, abs=4), label


def test_id(image):
    """Ids are shown; without tracking there is none to show."""
    with_id = annotate(image, [face((200, 150, 120, 130), face_id=7)])
    without = annotate(image, [face((200, 150, 120, 130), face_id=0)])
    color = COLORS['happiness']
    assert of_color(with_id, color)[148].sum() > of_color(without, color)[148].sum() + 10


def test_two_faces(image):
    """Each face gets its own color."""
    out = annotate(
        image, [face((50, 150, 100, 100), 'anger'), face((400, 150, 100, 100), 'surprise', 2)]
    )
    assert of_color(out, COLORS['anger'])[200, 48:53].any()
    assert of_color(out, COLORS['surprise'])[200, 398:403].any()


@pytest.mark.parametrize(
    'box',
    [(0, 0, 640, 480), (0, 0, 40, 40), (600, 440, 40, 40), (630, 5, 10, 10), (5, 470, 10, 10)],
)
def test_at_the_border(image, box):
    """At the image's border the label moves inside and stays readable."""
    out = annotate(image, [face(box)])
    assert out.shape == image.shape
    x, y = box[:2]
    corner_x, corner_y = min(x, 640 - 130), max(y, 20)
    label = of_color(out, COLORS['happiness'])[corner_y - 19 : corner_y, corner_x:]
    assert label[:, :120].mean() > 0.5


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (300, 1), (20, 20), (2160, 3840)])
def test_image_sizes(size):
    """Every size of image can be drawn on."""
    picture = np.zeros((*size, 3), np.uint8)
    box = (size[1] // 4, size[0] // 4, max(size[1] // 2, 1), max(size[0] // 2, 1))
    out = annotate(picture, [face(box)])
    assert out.shape == picture.shape
    assert out.any()


def test_drawing_scales():
    """On a large image lines and letters are larger."""
    widths = []
    for scale in (1, 3):
        picture = np.zeros((480 * scale, 640 * scale, 3), np.uint8)
        out = annotate(picture, [face([value * scale for value in (200, 150, 120, 130)])])
        row = of_color(out, COLORS['happiness'])[int(215 * scale), : 300 * scale]
        widths.append(int(row.sum()))
    assert widths[0] >= 1
    assert widths[1] >= 2 * widths[0]
