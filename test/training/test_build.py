# SPDX-License-Identifier: Apache-2.0
"""Read fer2013.csv and write a dataset: invalid files, interruptions and full disks."""

import csv
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training import cli
from emotion_training.data import dataset
from emotion_training.data.build import build
from emotion_training.data.fer2013 import DatasetError, read_fer2013
from support.drawn_faces import draw_face, read_rows, write_fer2013


def test_images_labels_and_votes_are_preserved(drawn_csv, data):
    rows = {sample.row: sample for sample in read_fer2013(*drawn_csv)}
    loaded = dataset.load(data, 'validation')
    assert len(loaded) == 42
    for index, path in enumerate(loaded.paths):
        sample = rows[int(path.split('/')[-1].removesuffix('.png'))]
        assert np.array_equal(loaded.images[index], sample.image)
        assert EMOTIONS[loaded.labels[index]] == sample.label
        assert tuple(loaded.votes[index]) == sample.votes
    assert np.array_equal(loaded.majority, loaded.labels)
    assert loaded.crowd.max(1) == pytest.approx(1)
    assert loaded.crowd_weight == pytest.approx(0.8)
    assert sorted(p.name for p in (data / 'train').iterdir()) == list(EMOTIONS)
    rows = read_rows(data / 'manifest.csv')
    assert [int(row['row']) for row in rows] == list(range(182))
    assert {row['source'] for row in rows} == {'fer2013.csv'}
    assert all(len(row['sha256']) == 64 and len(row['phash']) == 16 for row in rows)
    assert (data / 'left_out.csv').read_text().splitlines() == ['source,row,split,label,reason']


def damage(path, row, change):
    """Change one line of a csv file (0 is the header)."""
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
        (3, lambda line: line.replace('Training', 'Trainig'), "row 2: Usage is 'Trainig'"),
        (3, lambda line: line[:2], "row 2: Usage is ''"),
    ],
)
def test_an_invalid_csv_is_reported_with_its_row(tmp_path, capsys, row, change, message):
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


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'<!DOCTYPE html><html><body>Sign in</body></html>\n', 'is a web page'),
        (b'\n\n<html>' + b'x' * 300_000, 'is a web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'is a Git LFS pointer'),
        (b'PK\x03\x04' + bytes(100), 'is a zip archive; unpack it first'),
        (b'\x1f\x8b' + bytes(100), 'is a gzip archive; unpack it first'),
        (b'', 'is an empty file'),
        (b'emotion,pixels,Usage\n', 'has a header and no rows'),
        (
            b'emotion,pixels,Usage\n0,' + b'1 ' * 100_000 + b',Training\n',
            'after line 1: field larger',
        ),
        (bytes(range(256)) * 10, 'no column emotion, pixels'),
    ],
)
def test_other_content_saved_as_csv(tmp_path, capsys, content, message):
    saved = tmp_path / 'fer2013.csv'
    saved.write_bytes(content)
    assert cli.main(['build', str(saved), '--out', str(tmp_path / 'data')]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'emotion-training build: {saved}')
    assert message in error
    assert [p.name for p in tmp_path.iterdir()] == ['fer2013.csv']


def test_a_byte_order_mark_blanks_and_another_column_order(drawn_csv, tmp_path):
    copy = tmp_path / 'icml_face_data.csv'
    with drawn_csv[0].open(newline='') as stream, copy.open('w', newline='') as out:
        out.write('\ufeffemotion, Usage, pixels\n')
        for row in csv.DictReader(stream):
            out.write(f'{row["emotion"]}, {row["Usage"]}, {row["pixels"]}\n')
    for one, other in zip(read_fer2013(copy), read_fer2013(drawn_csv[0]), strict=True):
        assert (one.row, one.label, one.usage) == (other.row, other.label, other.usage)
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize('mark', [';', '\t'])
def test_other_separators_and_letters(drawn_csv, tmp_path, mark):
    copy = tmp_path / 'export.csv'
    with drawn_csv[0].open(newline='') as stream:
        rows = [mark.join(row) for row in csv.reader(stream)]
    copy.write_text('\n'.join([rows[0].upper(), *rows[1:]]))
    assert [(one.row, one.label, one.usage) for one in read_fer2013(copy)] == [
        (one.row, one.label, one.usage) for one in read_fer2013(drawn_csv[0])
    ]


def test_a_csv_without_usage_is_all_training(drawn_csv, tmp_path, capsys):
    copy = tmp_path / 'plain.csv'
    with drawn_csv[0].open(newline='') as stream:
        rows = [f'{row["emotion"]},{row["pixels"]}' for row in csv.DictReader(stream)]
    copy.write_text('\n'.join(['emotion,pixels', *rows]))
    assert cli.main(['build', str(copy), '--out', str(tmp_path / 'data')]) == 2
    assert 'has no validation split' in capsys.readouterr().err
    options = ['--out', str(tmp_path / 'data'), '--validation-share', '0']
    assert cli.main(['build', str(copy), *options]) == 0
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    assert {row['split'] for row in rows} == {'train'}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda lines: lines[:-1], 'ends at row 180'),
        (lambda lines: [*lines, lines[-1]], 'has 183 rows, .* has 182'),
        (
            lambda lines: [lines[0], *lines[:0:-1]],
            "row 0: Usage is 'Training', in .*votes.csv it is",
        ),
        (lambda lines: [*lines[:5], lines[5][:-1] + 'x'], 'row 4: a vote is not a whole number'),
    ],
)
def test_votes_that_do_not_match(drawn_csv, tmp_path, change, message):
    votes = tmp_path / 'votes.csv'
    votes.write_text('\n'.join(change(drawn_csv[1].read_text().splitlines())) + '\n')
    with pytest.raises(DatasetError, match=message):
        list(read_fer2013(drawn_csv[0], votes))


def test_missing_classes(tmp_path):
    rng = np.random.default_rng(1)
    rows = [(label, draw_face(label, rng), 'Training') for label in EMOTIONS[:-1]]
    samples = read_fer2013(*write_fer2013(tmp_path, rows))
    summary = build(samples, tmp_path / 'data', validation_share=0)
    assert summary.findings['train has no image of'] == 'surprise'
    samples = read_fer2013(*write_fer2013(tmp_path, [rows[2]] * 3))
    with pytest.raises(DatasetError, match='fer.csv: train has no image of anger, disgust, happi'):
        build(samples, tmp_path / 'one', origin='fer.csv', validation_share=0)
    assert not list(tmp_path.glob('one*'))


def test_an_unreadable_image_is_named(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / 'data')
    path = next((copy / 'train' / 'fear').iterdir())
    path.write_text('not an image')
    with pytest.raises(DatasetError, match=path.name):
        dataset.load(copy, 'train')
    cv2.imwrite(str(path), np.zeros((32, 32), np.uint8))
    with pytest.raises(DatasetError, match=path.name):
        dataset.load(copy, 'train')


def test_summary_and_plot(drawn_csv, tmp_path, capsys):
    out = tmp_path / 'data'
    assert cli.main(['build', str(drawn_csv[0]), '--out', str(out)]) == 0
    printed, bars = capsys.readouterr()
    assert printed.startswith((out / 'summary.txt').read_text())
    lines = printed.splitlines()
    assert lines[0].split() == ['train', 'validation']
    assert lines[1].split() == ['anger', '20', '14.3%', '6', '14.3%']
    assert lines[8].split() == ['all', '140', '42']
    for stage in ('read', 'hash', 'compare', 'write'):
        assert f'{stage}: 100%' in bars
    loaded = dataset.load(out, 'train')  # there are no votes
    assert loaded.votes is None
    assert set(loaded.majority) == {-1}
    with pytest.raises(DatasetError, match='no FER\\+ votes'):
        _ = loaded.crowd
    plot = cv2.imread(str(out / 'class_distribution.png'))
    assert plot.shape == (576, 1080, 3)
    assert len(np.unique(plot.reshape(-1, 3), axis=0)) > 10


DISK_FULL = """
import resource, sys
from emotion_training import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(cli.main(sys.argv[1:]))
"""


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, '-c', code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {'PYTHONPATH': os.pathsep.join(sys.path)},
    )


def test_a_full_disk(drawn_csv, tmp_path):
    out = tmp_path / 'data'
    done = run_python(DISK_FULL, 'build', drawn_csv[0], '--out', out)
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error == (
        f'emotion-training build: {out} cannot be written: File too large; '
        'nothing of it was kept; free some space and run the same command again'
    )
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_background_job(drawn_csv, tmp_path, monkeypatch, capsys):
    """A shell starts it with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(
        'emotion_training.data.build.plot_classes', lambda *_: signal.raise_signal(signal.SIGINT)
    )
    try:
        assert cli.main(['build', str(drawn_csv[0]), '--out', str(tmp_path / 'data')]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.endswith('stopped; the same command starts anew\n')
    assert list(tmp_path.iterdir()) == []


def test_existing_folders_are_not_touched(drawn_csv, tmp_path):
    theirs = tmp_path / 'data.partial' / 'thesis.txt'
    theirs.parent.mkdir()
    theirs.write_text('years of work')
    with pytest.raises(DatasetError, match=r'data\.partial is in the way'):
        build(read_fer2013(*drawn_csv), tmp_path / 'data')
    assert theirs.read_text() == 'years of work'
    with pytest.raises(DatasetError, match='exists already'):
        build(read_fer2013(*drawn_csv), tmp_path)
