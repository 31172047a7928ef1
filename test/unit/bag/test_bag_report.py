# SPDX-License-Identifier: Apache-2.0
"""The page about a recording: its numbers, and that it shows faces only on request."""

import base64
import html
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import RegionOfInterest

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.bag.comparison import read_summary
from emotion_perception.bag.message_types import EMOTION, EMOTIONS_OF_IMAGE
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.writing import new_bag
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import stamped


def face(face_id, label, confidence=0.8):
    """Return a face at the left of the image."""
    box = RegionOfInterest(x_offset=10, y_offset=20, width=40, height=40)
    return Emotion(face_id=face_id, label=label, confidence=confidence, box=box)


def result(number, *faces, **fields):
    """Return the result of the image with this number."""
    return EmotionArray(header=stamped(number), faces=list(faces), age=float('nan'), **fields)


@pytest.fixture
def report(tmp_path, write_bag, run):
    """Write the report on results and return its text."""

    def make(results, *options, images=None):
        topics = {'/emotion/faces': results} | ({'/eye': images} if images else {})
        bag = write_bag('bag', topics, {'/emotion/faces': EMOTIONS_OF_IMAGE})
        code, out, errors = run('report', bag, '-o', tmp_path / 'page.html', *options)
        assert (code, out) == (0, f'{tmp_path / "page.html"}\n'), errors
        return (tmp_path / 'page.html').read_text()

    return make


def statistics(page):
    """Return the numbers at the top of a page."""
    cells = re.findall(r'<tr><td class="dim">(.*?)</td><td>(.*?)</td></tr>', page)
    return {name: html.unescape(text) for name, text in cells}


def test_statistics(report):
    results = [result(0, processing_time=0.004, images_skipped=3)]
    results += [result(n, face(1, 'neutral'), processing_time=0.002) for n in range(1, 9)]
    results.append(
        result(19, face(1, 'fear'), face(2, 'fear'), processing_time=0.002, images_skipped=5)
    )
    assert statistics(report(results)) == {
        'images with a result': '10',
        'time from first to last': '1.90 s',
        'faces': '2',
        'images with a face': '9',
        'most faces in one image': '2',
        'images per second': '4.74',
        'longest time without a result': '1100 ms',
        'frames dropped by the node': '2',
        'processing time': 'median 2.0 ms, p99 3.8 ms, maximum 4.0 ms',
        'age of the results': 'not measured',
    }


def test_ages_of_images_from_another_time_are_not_called_latency(report):
    results = [result(n) for n in range(3)]
    for one in results:
        one.age = 1.7e9
    age = statistics(report(results))['age of the results']
    assert age == 'not measured: the images were taken before the node ran'


def test_the_timeline(report):
    labels = ['neutral'] * 4 + ['happiness'] * 4 + ['uncertain'] * 3
    page = report([result(n, face(7, label)) for n, label in enumerate(labels)])
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


def test_a_gap_starts_a_new_band(report):
    seen = [*range(5), *range(30, 35)]
    page = report([result(n, *([face(1, 'fear')] if n in seen else [])) for n in range(36)])
    assert re.findall(r'<title>(fear.*?)</title>', page) == [
        'fear, 0.00 to 0.40 s',
        'fear, 3.00 to 3.40 s',
    ]
    assert page.count('<polyline') == 2


def test_the_page_is_self_contained_and_escapes_text(report):
    page = report([result(n, face(1, '<script>alert(1)</script>')) for n in range(3)])
    assert '<script' not in page
    assert '&lt;script&gt;' in page
    assert not re.search(r'https?://|src="(?!data:)|href=|url\(', page)


def test_no_face_is_shown_without_the_option(report, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
    page = report([result(n, face(1, 'neutral')) for n in range(3)], images=images)
    assert '<img' not in page


def test_faces_where_a_label_changes(report, small_portrait):
    images = [bgr_to_image(small_portrait + np.uint8(n), stamped(n)) for n in range(6)]
    labels = ['neutral', 'neutral', 'sadness', 'sadness', 'sadness', 'neutral']
    results = [result(n, face(1, label)) for n, label in enumerate(labels)]
    page = report(results, '--pictures', images=images)
    shown = re.findall(r'<img src="data:image/jpeg;base64,(.*?)" alt="(.*?)">', page)
    assert [label for _, label in shown] == ['neutral', 'sadness', 'neutral']
    for (data, _), number in zip(shown, (0, 2, 5), strict=True):
        found = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        expected = cv2.resize((small_portrait + np.uint8(number))[0:80, 0:80], (96, 96))
        assert found.shape == expected.shape
        assert np.abs(found.astype(float) - expected).mean() < 8


def test_faces_from_the_recording_that_was_processed(run, tmp_path, portrait_bag, pipeline):
    process_bag(portrait_bag, tmp_path / 'out', pipeline, only_new=True)
    page = tmp_path / 'page.html'
    arguments = ['report', tmp_path / 'out', '-o', page, '--pictures']
    code, _, errors = run(*arguments)
    assert code == 2
    assert 'holds no images' in errors[0]
    assert run(*arguments, portrait_bag)[0] == 0
    assert page.read_text().count('<img') == 1


def test_more_faces_than_a_page_holds(report):
    results = [result(n, *(face(i, 'fear') for i in range(1, 46) if i > n)) for n in range(3)]
    page = report(results)
    assert page.count('>face ') == 40
    assert '5 more faces, in fewer images, are\nnot shown' in page


def test_no_face(report):
    page = report([result(n) for n in range(3)])
    assert 'No face was detected.' in page
    assert statistics(page)['faces'] == '0'


def test_one_result_only(report):
    assert statistics(report([result(0, face(1, 'fear'))]))['images with a result'] == '1'


def test_recordings_that_cannot_be_reported(run, tmp_path, write_bag, portrait_bag):
    (tmp_path / 'there.html').write_text('mine')
    kinds = {'/emotion/faces': EMOTIONS_OF_IMAGE}
    damaged = write_bag('damaged', {'/emotion/faces': [b'\0\1\0\0xx']}, kinds)
    for bag, page, message in (
        (portrait_bag, 'new', 'has no topic /emotion/faces (emotion_msgs/msg/EmotionArray); add'),
        (portrait_bag, 'there.html', 'exists already; remove it or choose another name'),
        (damaged, 'new', 'a damaged emotion_msgs/msg/EmotionArray'),
    ):
        code, _, (line,) = run('report', bag, '-o', tmp_path / page)
        assert code == 2
        assert message in line
    assert (tmp_path / 'there.html').read_text() == 'mine'
    assert not (tmp_path / 'new').exists()


def test_results_of_an_earlier_emotion_msgs(tmp_path, types, run):
    """A recording is read by the definition that it holds, whatever has been added since."""
    earlier, old = get_typestore(Stores.ROS2_JAZZY), {}
    for name in (EMOTION, EMOTIONS_OF_IMAGE):
        path = Path(get_package_share_directory('emotion_msgs')) / f'{name[13:]}.msg'
        text = path.read_text().partition('# Where the head is directed')[0]
        earlier.register(get_types_from_msg(text, name))
        definition = earlier.generate_msgdef(name, ros_version=2)[0]
        old[name] = definition, earlier.hash_rihs01(name)
        assert ('head_yaw' in definition, 'reading_age' in definition) == (False, True)
    with new_bag(tmp_path / 'bag') as new:
        topic = new.add_topic('/emotion/faces', EMOTIONS_OF_IMAGE, old[EMOTIONS_OF_IMAGE])
        for number in range(4):
            array = types.decode(
                types.encode(result(number, face(7, 'fear')), EMOTIONS_OF_IMAGE),
                EMOTIONS_OF_IMAGE,
            )
            new.write(
                topic, 10**9 * number, bytes(earlier.serialize_cdr(array, EMOTIONS_OF_IMAGE))
            )
    summary = read_summary(tmp_path / 'bag')
    assert [(face['id'], face['images']) for face in summary['faces']] == [(7, 4)]
    code, _, errors = run('report', tmp_path / 'bag', '-o', tmp_path / 'page.html')
    assert (code, errors) == (0, [])
    assert 'fear' in (tmp_path / 'page.html').read_text()
    assert run('compare', tmp_path / 'bag', tmp_path / 'bag') == (0, 'no difference\n', [])
