# SPDX-License-Identifier: Apache-2.0
"""Differences between two results, and differences that are ignored."""

import json

import pytest

from emotion_perception.bag.comparison import differences, read_summary, summarize, table
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.results import FaceResult, ImageResult
from emotion_perception.errors import BagError


def summary(*labels, face_id=1):
    """Return the summary of results ten a second; None is an image without a face."""
    faces = [(FaceResult(face_id, label, 0.9, (0, 0, 9, 9)),) if label else () for label in labels]
    return summarize([ImageResult(n * 10**8, face) for n, face in enumerate(faces)])


def test_a_summary():
    assert summary('fear', 'fear', None, 'neutral', 'neutral') == {
        'images': 5,
        'images_with_faces': 4,
        'faces': [
            {'id': 1, 'images': 4, 'labels': [['fear', 0.0, 0.3], ['neutral', 0.3, 0.4]]},
        ],
    }


FEAR = ['fear'] * 5


@pytest.mark.parametrize(
    ('new', 'expected'),
    [
        (summary(*FEAR), []),
        (summary(*FEAR, None), [('images', '5', '6')]),
        (summary(*['sadness'] * 5), [('face 1: labels', 'fear 0-0.4 s', 'sadness 0-0.4 s')]),
        (summary(*FEAR, face_id=2), [('face 1', '5 images: fear 0-0.4 s', 'no such face'),
                                     ('face 2', 'no such face', '5 images: fear 0-0.4 s')]),
        (summary('fear', None, 'fear', 'fear', 'fear'), [('images with faces', '5', '4'),
                                                         ('face 1: images', '5', '4')]),
    ],
)  # fmt: skip
def test_each_difference_is_listed(new, expected):
    assert differences(summary(*FEAR), json.loads(json.dumps(new))) == expected


def test_small_differences_can_be_ignored():
    old = summary(*['fear'] * 10, *['neutral'] * 10)
    shifted = summary(*['fear'] * 11, *['neutral'] * 10)
    assert [row[0] for row in differences(old, shifted)] == [
        'images', 'images with faces', 'face 1: images', 'face 1: labels'
    ]  # fmt: skip
    assert differences(old, shifted, images=1, seconds=0.15) == []
    flicker = summary(*['fear'] * 10, 'anger', *['neutral'] * 9)
    assert differences(old, flicker, seconds=0.15) == []
    assert differences(old, flicker) != []


def test_the_table_is_readable():
    rows = [('images', '5', '6'), ('face 1: labels', 'fear 0-0.4 s', 'sadness 0-0.4 s')]
    assert table(rows).splitlines() == [
        'images          expected  5',
        '                found     6',
        'face 1: labels  expected  fear 0-0.4 s',
        '                found     sadness 0-0.4 s',
    ]


def test_recordings_and_summaries_are_compared(run, tmp_path, portrait_bag, pipeline):
    process_bag(portrait_bag, tmp_path / 'out', pipeline)
    found = read_summary(tmp_path / 'out')
    assert found['faces'] == [{'id': 1, 'images': 5, 'labels': [['happiness', 0.0, 0.4]]}]
    path = tmp_path / 'expected.json'
    path.write_text(json.dumps(found))
    assert run('compare', path, tmp_path / 'out') == (0, 'no difference\n', [])
    path.write_text(json.dumps(found | {'images': 4}))
    code, out, _ = run('compare', path, tmp_path / 'out')
    assert code == 1
    first, second = out.splitlines()
    assert first.split() == ['images', str(path), '4']
    assert second.split() == [str(tmp_path / 'out'), '5']


@pytest.mark.parametrize(
    'text', ['', '[]', '{"images": 3}', '{"images": 3, "images_with_faces": 2, "faces": 1}']
)
def test_other_json_files_are_refused(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(BagError, match=r'a\.json is not the summary of a recording'):
        read_summary(tmp_path / 'a.json')
