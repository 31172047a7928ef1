"""Reading fer2013.csv and writing a dataset, with good and bad files."""

import cv2
import numpy as np
import pytest
from conftest import draw_face, write_fer2013
from emotion_training import cli, dataset
from emotion_training.build import build
from emotion_training.fer2013 import DatasetError, read_fer2013

from emotion_perception.emotions import EMOTIONS


@pytest.fixture
def drawn(drawn_csv, tmp_path):
    """Return the folder of a built dataset."""
    build(read_fer2013(*drawn_csv), tmp_path / 'data')
    return tmp_path / 'data'


def test_counts_and_folders(drawn_csv, tmp_path):
    counts = build(read_fer2013(*drawn_csv), tmp_path / 'data')
    assert counts == {(s, e): n for s, n in (('train', 20), ('validation', 6)) for e in EMOTIONS}
    assert sorted(p.name for p in (tmp_path / 'data' / 'train').iterdir()) == list(EMOTIONS)
    assert len(list((tmp_path / 'data' / 'validation' / 'fear').iterdir())) == 6


def test_pixels_labels_and_votes_come_back_as_they_were(drawn_csv, drawn):
    rows = {sample.row: sample for sample in read_fer2013(*drawn_csv)}
    loaded = dataset.load(drawn, 'validation')
    assert len(loaded) == 42
    for index, path in enumerate(loaded.paths):
        sample = rows[int(path.split('/')[-1].removesuffix('.png'))]
        assert np.array_equal(loaded.images[index], sample.image)
        assert EMOTIONS[loaded.labels[index]] == sample.label
        assert tuple(loaded.votes[index]) == sample.votes
    assert np.array_equal(loaded.majority, loaded.labels)
    assert loaded.crowd.max(1) == pytest.approx(1)
    assert loaded.crowd_weight == pytest.approx(0.8)


def test_without_votes(drawn_csv, tmp_path):
    build(read_fer2013(drawn_csv[0]), tmp_path / 'data')
    loaded = dataset.load(tmp_path / 'data', 'train')
    assert loaded.votes is None
    assert set(loaded.majority) == {-1}
    with pytest.raises(DatasetError, match='no FER\\+ votes'):
        _ = loaded.crowd


def damage(path, row, change):
    """Change one line of a csv (0 is the heading)."""
    lines = path.read_text().splitlines()
    lines[row] = change(lines[row])
    path.write_text('\n'.join(lines) + '\n')


@pytest.mark.parametrize(
    ('row', 'change', 'message'),
    [
        (0, lambda line: line.replace('pixels', 'image'), 'no column pixels'),
        (3, lambda line: line.replace(' ', '', 1), 'row 2: 2303 pixels where 2304'),
        (3, lambda line: line.replace(' ', ' x', 1), 'row 2: a pixel is not a number'),
        (3, lambda line: line.replace(' ', ' 1000 ', 1).replace(' 1000 ', ' 1000', 1), 'row 2:'),
        (3, lambda line: '7' + line[1:], "row 2: emotion is '7'"),
    ],
)
def test_a_bad_csv_is_named_with_its_row(tmp_path, capsys, row, change, message):
    rng = np.random.default_rng(1)
    rows = [(label, draw_face(label, rng), 'Training') for label in EMOTIONS]
    pixels, votes = write_fer2013(tmp_path, rows)
    damage(pixels, row, change)
    out = tmp_path / 'data'
    assert cli.main(['build', str(pixels), '--votes', str(votes), '--out', str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert str(pixels) in error
    assert message in error
    assert sorted(p.name for p in tmp_path.iterdir()) == ['fer2013.csv', 'fer2013new.csv']


def test_a_page_saved_as_csv(tmp_path):
    page = tmp_path / 'fer2013.csv'
    page.write_text('<!DOCTYPE html><html><body>Sign in</body></html>\n')
    with pytest.raises(DatasetError, match='A page or a Git LFS pointer'):
        list(read_fer2013(page))


def test_votes_of_other_rows(drawn_csv, tmp_path):
    short = tmp_path / 'short.csv'
    short.write_text('\n'.join(drawn_csv[1].read_text().splitlines()[:-1]) + '\n')
    with pytest.raises(DatasetError, match='ends at row 180'):
        list(read_fer2013(drawn_csv[0], short))


def test_a_missing_class_leaves_nothing_behind(tmp_path):
    rng = np.random.default_rng(1)
    rows = [(label, draw_face(label, rng), 'Training') for label in EMOTIONS[:-1]]
    with pytest.raises(DatasetError, match='train has no image of surprise'):
        build(read_fer2013(*write_fer2013(tmp_path, rows)), tmp_path / 'data')
    assert not list(tmp_path.glob('data*'))


def test_an_existing_folder_is_not_touched(drawn_csv, tmp_path):
    (tmp_path / 'data').mkdir()
    with pytest.raises(DatasetError, match='exists already'):
        build(read_fer2013(*drawn_csv), tmp_path / 'data')


def test_a_damaged_image_is_named(drawn):
    path = next((drawn / 'train' / 'fear').iterdir())
    path.write_text('not a picture')
    with pytest.raises(DatasetError, match=path.name):
        dataset.load(drawn, 'train')
    cv2.imwrite(str(path), np.zeros((32, 32), np.uint8))
    with pytest.raises(DatasetError, match=path.name):
        dataset.load(drawn, 'train')
