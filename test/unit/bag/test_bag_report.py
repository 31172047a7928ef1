"""The page about a recording: what it says, and that it shows nobody unasked."""

import base64
import html
import re

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception import cli
from emotion_perception.bag.message_types import EMOTIONS_OF_IMAGE
from emotion_perception.bag.process import process_bag
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import stamped


def face(face_id, label, confidence=0.8):
    """Return what one face shows, at the left of the image."""
    box = RegionOfInterest(x_offset=10, y_offset=20, width=40, height=40)
    return Emotion(face_id=face_id, label=label, confidence=confidence, box=box)


def answer(number, *faces, **fields):
    """Return the answer to the image with this number."""
    return EmotionArray(header=stamped(number), faces=list(faces), age=float('nan'), **fields)


@pytest.fixture
def report(tmp_path, write_bag, capsys):
    """Write the report on answers and return its text."""

    def make(answers, *options, images=None):
        topics = {'/emotion/faces': answers} | ({'/eye': images} if images else {})
        bag = write_bag('bag', topics, {'/emotion/faces': EMOTIONS_OF_IMAGE})
        code = cli.main(['bag', 'report', str(bag), '-o', str(tmp_path / 'page.html'), *options])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        assert printed.out == f'{tmp_path / "page.html"}\n'
        return (tmp_path / 'page.html').read_text()

    return make


def figures(page):
    """Return the figures at the top of a page."""
    cells = re.findall(r'<tr><td class="dim">(.*?)</td><td>(.*?)</td></tr>', page)
    return {what: html.unescape(text) for what, text in cells}


def test_figures(report):
    answers = [answer(0, processing_time=0.004, images_skipped=3)]
    answers += [answer(n, face(1, 'neutral'), processing_time=0.002) for n in range(1, 9)]
    answers.append(
        answer(19, face(1, 'fear'), face(2, 'fear'), processing_time=0.002, images_skipped=5)
    )
    assert figures(report(answers)) == {
        'images answered': '10',
        'time between first and last': '1.90 s',
        'faces': '2',
        'images with a face': '9',
        'most faces in one image': '2',
        'images a second': '4.74',
        'longest time without an answer': '1100 ms',
        'images passed over by the node': '2',
        'time spent on an image': 'median 2.0 ms, 99 % below 3.8 ms, at most 4.0 ms',
        'age of an image when answered': 'not measured',
    }


def test_ages_of_images_from_another_time_are_not_called_latency(report):
    answers = [answer(n) for n in range(3)]
    for one in answers:
        one.age = 1.7e9
    told = figures(report(answers))
    assert told['age of an image when answered'].startswith('not measured: the images were taken')


def test_the_timeline(report):
    labels = ['neutral'] * 4 + ['happiness'] * 4 + ['uncertain'] * 3
    page = report([answer(n, face(7, label)) for n, label in enumerate(labels)])
    bands = re.findall(
        r'<rect x="([\d.]+)" y="28" width="([\d.]+)".*?fill="(.*?)"><title>(.*?)</title>', page
    )
    assert [title for *_, title in bands] == [
        'neutral, 0.00 to 0.40 s',
        'happiness, 0.40 to 0.80 s',
        'uncertain, 0.80 to 1.00 s',
    ]
    assert [(float(x), float(w)) for x, w, *_ in bands] == [(0, 400), (400, 400), (800, 200)]
    assert len({color for *_, color, _ in bands}) == 3
    assert '>face 7</text>' in page
    assert '<td>neutral 0.4, happiness 0.4, uncertain 0.2</td>' in page


def test_a_face_that_was_away_begins_a_new_band(report):
    seen = [*range(5), *range(30, 35)]
    page = report([answer(n, *([face(1, 'fear')] if n in seen else [])) for n in range(36)])
    assert re.findall(r'<title>(fear.*?)</title>', page) == [
        'fear, 0.00 to 0.40 s',
        'fear, 3.00 to 3.40 s',
    ]
    assert page.count('<polyline') == 2


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_words_of_others(report):
    page = report([answer(n, face(1, '<script>alert(1)</script>')) for n in range(3)])
    assert '<script' not in page
    assert '&lt;script&gt;' in page
    assert not re.search(r'https?://|src="(?!data:)|href=|url\(', page)


def test_nobody_is_shown_unasked(report, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
    page = report([answer(n, face(1, 'neutral')) for n in range(3)], images=images)
    assert '<img' not in page


def test_pictures_where_a_label_begins(report, small_portrait):
    images = [bgr_to_image(small_portrait + np.uint8(n), stamped(n)) for n in range(6)]
    labels = ['neutral', 'neutral', 'sadness', 'sadness', 'sadness', 'neutral']
    answers = [answer(n, face(1, label)) for n, label in enumerate(labels)]
    page = report(answers, '--pictures', images=images)
    shown = re.findall(r'<img src="data:image/jpeg;base64,(.*?)" alt="(.*?)">', page)
    assert [label for _, label in shown] == ['neutral', 'sadness', 'neutral']
    for (data, _), number in zip(shown, (0, 2, 5), strict=True):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        expected = cv2.resize((small_portrait + np.uint8(number))[0:80, 0:80], (96, 96))
        assert picture.shape == expected.shape
        assert np.abs(picture.astype(float) - expected).mean() < 8


def test_pictures_from_the_recording_that_was_processed(capsys, tmp_path, portrait_bag):
    process_bag(portrait_bag, tmp_path / 'out', Pipeline.default(), only_new=True)
    page = tmp_path / 'page.html'
    arguments = ['bag', 'report', str(tmp_path / 'out'), '-o', str(page), '--pictures']
    assert cli.main(arguments) == 2
    assert 'holds no images' in capsys.readouterr().err
    assert cli.main([*arguments, str(portrait_bag)]) == 0
    assert page.read_text().count('<img') == 1


def test_more_faces_than_a_page_holds(report):
    answers = [answer(n, *(face(i, 'fear') for i in range(1, 46) if i > n)) for n in range(3)]
    page = report(answers)
    assert page.count('>face ') == 40
    assert '5 more faces, seen for a shorter\ntime, are not shown' in page


def test_nobody_was_seen(report):
    page = report([answer(n) for n in range(3)])
    assert 'Nobody was seen.' in page
    assert figures(page)['faces'] == '0'


def test_one_answer_only(report):
    assert figures(report([answer(0, face(1, 'fear'))]))['images answered'] == '1'


@pytest.mark.parametrize('out', ['bag', 'there.html'])
def test_what_cannot_be_reported(capsys, tmp_path, portrait_bag, out):
    (tmp_path / 'there.html').write_text('mine')
    target = {'bag': 'new.html', 'there.html': 'there.html'}[out]
    code = cli.main(['bag', 'report', str(portrait_bag), '-o', str(tmp_path / target)])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    said = {
        'bag': 'holds no /emotion/faces (emotion_msgs/msg/EmotionArray); `emotion-perception bag',
        'there.html': 'exists already; remove it or choose another name',
    }
    assert said[out] in line
    assert (tmp_path / 'there.html').read_text() == 'mine'
    assert not (tmp_path / 'new.html').exists()


def test_a_damaged_answer_is_one_line(capsys, tmp_path, write_bag):
    bag = write_bag(
        'bag', {'/emotion/faces': [b'\0\1\0\0xx']}, {'/emotion/faces': EMOTIONS_OF_IMAGE}
    )
    assert cli.main(['bag', 'report', str(bag), '-o', str(tmp_path / 'page.html')]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'a damaged emotion_msgs/msg/EmotionArray' in line
