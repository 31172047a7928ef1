# SPDX-License-Identifier: Apache-2.0
"""Lists of labeled faces, the scenes made of them, and what the part `reach` measures."""

import cv2
import numpy as np
import pytest

from benchmarks import reach, reach_plot, result_tables
from benchmarks.face_scenes import make_scene, portrait_face, read_boxes
from emotion_perception.types import Detection

DLIB = """<?xml version='1.0'?>
<dataset><images>
  <image file='a.png'>
    <box top='70' left='176' width='100' height='90'>{parts}</box>
    <box top='0' left='0' width='30' height='30' ignore='1'/>
  </image>
  <image file='b.png'><box top='5' left='6' width='7' height='8'/></image>
</images></dataset>
"""
WIDER = """a.png
2
176 70 100 90 0 0 0 0 0 0
1 2 3 4 0 0 0 1 0 0
b.png
0
0 0 0 0 0 0 0 0 0 0
images_are_beside.png
1
6 5 7 8 0 0 0 0 0 0
"""


@pytest.fixture
def photos(tmp_path, portrait):
    """Return a folder with copies of the portrait."""
    (tmp_path / 'images').mkdir()
    for name in ('a.png', 'b.png', 'images/images_are_beside.png'):
        cv2.imwrite(str(tmp_path / name), portrait)
    return tmp_path


def test_dlib_boxes(photos):
    parts = ''.join(f"<part name='{k:02d}' x='{k}' y='{2 * k}'/>" for k in range(68))
    path = photos / 'faces.xml'
    path.write_text(DLIB.format(parts=parts))
    first, second = read_boxes(path)
    assert (first.photo, first.box) == (photos / 'a.png', (176, 70, 100, 90))
    assert first.eyes.tolist() == [[38.5, 77], [44.5, 89]]
    assert (second.photo.name, second.box, second.eyes) == ('b.png', (6, 5, 7, 8), None)


def test_wider_boxes(photos):
    path = photos / 'faces.txt'
    path.write_text(WIDER)
    faces = read_boxes(path)
    assert [face.box for face in faces] == [(176, 70, 100, 90), (6, 5, 7, 8)]
    assert faces[1].photo == photos / 'images' / 'images_are_beside.png'


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('faces.xml', '<dataset', 'neither the form of dlib'),
        ('faces.txt', '<html>\n<body>', 'neither the form of dlib'),
        ('faces.txt', 'a.png\n3\n1 2 3 4', 'neither the form of dlib'),
        ('faces.txt', 'gone.png\n1\n1 2 3 4', r'names .*gone.png, which does not exist'),
    ],
)
def test_damaged_lists(photos, name, text, message):
    (photos / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_boxes(photos / name)


@pytest.mark.parametrize(
    ('width_px', 'angle_deg'), [(40, 0), (40, 40), (100, -90), (300, 0), (300, 40), (300, -90)]
)
def test_a_scene_shows_the_face_where_it_says(detector, width_px, angle_deg):
    scene = make_scene(portrait_face(), (640, 480), width_px, (0.4, 0.6), angle_deg)
    assert scene.image.shape == (480, 640, 3)
    assert scene.center == pytest.approx((256, 288))
    distance = np.linalg.norm(scene.eyes[1] - scene.eyes[0])
    assert distance == pytest.approx(45.5 * width_px / 100, rel=0.01)
    across = np.degrees(np.arctan2(*(scene.eyes[1] - scene.eyes[0])[::-1]))
    assert across == pytest.approx(angle_deg, abs=3)
    (face,) = [face for face in detector.detect(scene.image) if scene.shows(face)]
    assert scene.eye_error(face) < 0.1


@pytest.mark.parametrize(
    ('box', 'shown'),
    [
        ((270, 190, 100, 100), True),
        ((300, 190, 100, 100), True),
        ((310, 190, 100, 100), False),
        ((290, 210, 45, 45), False),
        ((210, 130, 210, 210), False),
    ],
)
def test_which_detection_is_the_face(box, shown):
    scene = make_scene(portrait_face(), (640, 480), 100)
    assert scene.shows(Detection(box, 0.9)) is shown
    assert scene.eye_error(Detection(box, 0.9)) is None


@pytest.mark.slow
def test_reach_of_the_portrait(monkeypatch, tmp_path):
    """The command's result, table and plot, for one face and a few scenes."""
    some = [case for case in reach.cases() if case.value in (28, 100, 45, '10% of 400 px', 0.25)]
    monkeypatch.setattr(reach, 'cases', lambda: iter(some))
    folder = tmp_path / 'empty'
    folder.mkdir()
    cv2.imwrite(str(folder / 'wall.png'), np.full((300, 400, 3), 120, np.uint8))
    lines = []
    found = reach.measure_reach([portrait_face()], [folder], None, lines.append)
    kinds = {row['kind'] for row in found['recall']}
    assert {*reach_plot.KINDS, 'part outside', 'light, share'} == kinds
    for row in found['recall']:
        assert row['blazeface'] == 1, row
        assert row['blazeface, 10 frames'] == 1 or row['kind'].endswith('1280x720'), row
    assert found['faces'] == 1
    # the wall, parts of it and of the portrait, which its face leaves free
    assert 11 <= found['images'] <= 21
    assert found['false']['blazeface'] == 0
    assert found['eyes']['blazeface'] < 0.1
    assert found['yardsticks']['blazeface'] > 1
    table = result_tables.reach({'reach': found})
    assert '| rotation, degrees' in table
    assert f'false faces in {found["images"]} images without faces' in table
    reach_plot.draw_reach(found, tmp_path / 'reach.png')
    assert cv2.imread(str(tmp_path / 'reach.png')).shape[1] == 1200
