"""Where two results differ, and what does not count as a difference."""

import json

import pytest

from emotion_perception import cli
from emotion_perception.bag.comparison import differences, read_summary, summarize, table
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.results import Answer, FaceAnswer
from emotion_perception.errors import BagError
from emotion_perception.pipeline import Pipeline


def answers(*labels, face_id=1):
    """Return answers ten a second; None is an image without a face."""
    return [
        Answer(n * 10**8, (FaceAnswer(face_id, label, 0.9, (0, 0, 9, 9)),) if label else ())
        for n, label in enumerate(labels)
    ]


def test_a_summary():
    assert summarize(answers('fear', 'fear', None, 'neutral', 'neutral')) == {
        'images': 5,
        'images_with_faces': 4,
        'faces': [
            {'id': 1, 'images': 4, 'labels': [['fear', 0.0, 0.3], ['neutral', 0.3, 0.4]]},
        ],
    }


def test_no_difference():
    one = summarize(answers('fear', 'fear', 'neutral'))
    assert differences(one, json.loads(json.dumps(one))) == []


def test_each_difference_is_named():
    old = summarize(answers(*['fear'] * 5))
    assert differences(old, summarize(answers(*['fear'] * 5, None))) == [('images', '5', '6')]
    assert differences(old, summarize(answers(*['sadness'] * 5))) == [
        ('face 1: labels', 'fear 0-0.4 s', 'sadness 0-0.4 s')
    ]
    assert differences(old, summarize(answers(*['fear'] * 5, face_id=2))) == [
        ('face 1', '5 images: fear 0-0.4 s', 'not there'),
        ('face 2', 'not there', '5 images: fear 0-0.4 s'),
    ]
    assert differences(old, summarize(answers('fear', None, 'fear', 'fear', 'fear'))) == [
        ('images with faces', '5', '4'),
        ('face 1: images', '5', '4'),
    ]


def test_small_differences_may_be_allowed():
    old = summarize(answers(*['fear'] * 10, *['neutral'] * 10))
    shifted = summarize(answers(*['fear'] * 11, *['neutral'] * 10))
    assert [row[0] for row in differences(old, shifted)] == [
        'images', 'images with faces', 'face 1: images', 'face 1: labels'
    ]  # fmt: skip
    assert differences(old, shifted, images=1, seconds=0.15) == []
    flicker = summarize(answers(*['fear'] * 10, 'anger', *['neutral'] * 9))
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


def test_recordings_and_summaries_are_compared(capsys, tmp_path, portrait_bag):
    process_bag(portrait_bag, tmp_path / 'out', Pipeline.default())
    summary = read_summary(tmp_path / 'out')
    assert summary['faces'] == [{'id': 1, 'images': 5, 'labels': [['happiness', 0.0, 0.4]]}]
    path = tmp_path / 'expected.json'
    path.write_text(json.dumps(summary))
    command = ['bag', 'compare', str(path), str(tmp_path / 'out')]
    assert cli.main(command) == 0
    assert capsys.readouterr().out == 'no difference\n'
    path.write_text(json.dumps(summary | {'images': 4}))
    assert cli.main(command) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ['images', str(path), '4']
    assert second.split() == [str(tmp_path / 'out'), '5']


@pytest.mark.parametrize(
    'text', ['', '[]', '{"images": 3}', '{"images": 3, "images_with_faces": 2, "faces": 1}']
)
def test_a_file_that_is_no_summary(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(BagError, match=r'a\.json is no summary of a recording'):
        read_summary(tmp_path / 'a.json')
