"""Each way to filter finds planted wrong labels, touches only train and says why; bad input is named."""

import csv
import errno
import importlib.util
import json
import os
import subprocess
import sys

import cv2
import h5py
import keras
import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS, FER2013_CODES
from emotion_training import cli
from emotion_training.data.build import MANIFEST, build
from emotion_training.data.dataset import Dataset, load
from emotion_training.data.fer2013 import VOTE_COLUMNS, read_fer2013
from emotion_training.filtering import (
    PRUNINGS,
    confident_learning,
    deepface_agreement,
    deepface_network,
    deepface_standin,
    out_of_fold,
    predictions,
    votes,
)
from emotion_training.filtering import apply as filtering
from emotion_training.filtering.verdicts import FilterError

PLANTED = 2
"""Wrong labels in each class of the 20 training images."""


@pytest.fixture(scope='module')
def planted(drawn_csv, tmp_path_factory):
    """Return the folder of a dataset whose first two images a class carry the next class's label."""
    folder = tmp_path_factory.mktemp('planted')
    with drawn_csv[0].open(newline='') as stream:
        heading, *rows = csv.reader(stream)
    for number in range(140):
        if number % 20 < PLANTED:
            rows[number][0] = str((int(rows[number][0]) + 1) % 7)
    with (folder / 'fer2013.csv').open('w', newline='') as stream:
        csv.writer(stream).writerows([heading, *rows])
    build(read_fer2013(folder / 'fer2013.csv', drawn_csv[1]), folder / 'data')
    return folder / 'data'


@pytest.fixture(scope='module')
def train(planted):
    return load(planted, 'train')


def drawn_labels(data):
    """Return what was drawn: the builder keeps the row number, 20 rows a class."""
    rows = np.array([int(path.split('/')[-1].removesuffix('.png')) for path in data.paths])
    return rows // 20


def as_predicted(data, doubtful=0.05):
    """Return probabilities of a good network that has not seen the labels; some rows in doubt."""
    rng = np.random.default_rng(3)
    found = rng.dirichlet(np.full(7, 0.5), len(data)) * 0.25
    found[np.arange(len(data)), drawn_labels(data)] += 0.75
    rows = rng.random(len(data)) < doubtful
    found[rows] = rng.dirichlet(np.full(7, 5.0), int(rows.sum()))
    return found.astype(np.float32)


def lines_of(path):
    with path.open(newline='') as stream:
        return list(csv.DictReader(stream))


def refused(capsys, *arguments):
    """Run `emotion-training filter`, which must refuse; return its one line."""
    assert cli.main(['filter', *map(str, arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line for line in lines if 'Traceback' in line] == []
    return lines[-1]


def split(votes_by_name, label='fear'):
    """Return a split of one blank image with these votes."""
    row = [votes_by_name.get(name, 0) for name in VOTE_COLUMNS]
    return Dataset(
        np.zeros((1, 48, 48), np.uint8),
        np.array([EMOTIONS.index(label)]),
        np.array([row], np.uint8),
        np.array(['0']),
        ('train/fear/0.png',),
    )


# -- votes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('counts', 'plurality', 'majority', 'soft'),
    [
        ({'fear': 8, 'NF': 2}, True, True, True),
        ({'fear': 5, 'surprise': 5}, True, False, True),
        ({'fear': 4, 'surprise': 3, 'sadness': 3}, True, False, True),
        ({'fear': 3, 'surprise': 7}, False, False, True),
        ({'fear': 2, 'surprise': 8}, False, False, False),
        ({'fear': 4, 'contempt': 6}, False, False, True),
        ({'fear': 4, 'NF': 3, 'unknown': 3}, False, False, False),
        ({'NF': 10}, False, False, False),
        ({}, False, False, False),
    ],
)
def test_the_rules_of_agreement(counts, plurality, majority, soft):
    kept = [
        bool(votes.judge(split(counts), rule).keep[0])
        for rule in ('plurality', 'majority', 'soft')
    ]
    assert kept == [plurality, majority, soft]


def test_unclear_images_can_stay():
    unclear = split({'fear': 4, 'NF': 3, 'unknown': 3})
    assert votes.judge(unclear, keep_unclear=True).keep[0]
    assert votes.judge(unclear).reasons[0].startswith('most cannot tell or see no face')


def test_votes_say_why_and_what_instead():
    found = votes.judge(split({'fear': 3, 'surprise': 7}))
    assert found.reasons == ('3 of 10 say fear, 7 surprise',)
    assert EMOTIONS[found.suggested[0]] == 'surprise'


def test_votes_find_exactly_what_was_planted(planted, tmp_path, capsys):
    out = tmp_path / 'new'
    assert cli.main(['filter', str(planted), '--method', 'votes', '--out', str(out)]) == 0
    rows = lines_of(out / 'verdicts.csv')
    removed = {row['path'] for row in rows if row['verdict'] == 'remove'}
    data = load(planted, 'train')
    wrong = {
        path
        for path, label, drawn in zip(data.paths, data.labels, drawn_labels(data), strict=True)
        if label != drawn
    }
    assert len(rows) == 140
    assert len(wrong) == 14
    assert removed == wrong
    # what a planted image suggests is what was drawn
    drawn = dict(zip(data.paths, drawn_labels(data), strict=True))
    assert all(
        row['suggested'] == EMOTIONS[drawn[row['path']]]
        for row in rows
        if row['verdict'] == 'remove'
    )
    first = next(row for row in rows if row['path'].endswith('00000.png'))
    assert first['reason'] == '0 of 10 say disgust, 8 anger'
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ['train', 'before', 'after', 'kept', 'validation']
    assert printed[1].split() == ['anger', '20', '18', '90.0%', '6']
    assert printed[8].split() == ['all', '140', '126', '90.0%', '42']


# -- what is written -------------------------------------------------------------------------------


def test_only_train_is_touched_and_the_rest_is_as_it_was(planted, tmp_path):
    out = tmp_path / 'new'
    filtering.filter_dataset(planted, out, [votes.judge])
    old, new = load(planted, 'validation'), load(out, 'validation')
    assert np.array_equal(old.images, new.images)
    assert old.paths == new.paths
    kept = load(out, 'train')
    assert len(kept) == 126
    assert np.array_equal(kept.labels, drawn_labels(kept))
    before, after = lines_of(planted / MANIFEST), lines_of(out / MANIFEST)
    assert [row for row in before if row in after] == after
    assert {p.name for p in out.iterdir()} == {
        'filter.json', 'manifest.csv', 'removed.png', 'train', 'validation', 'verdicts.csv',
    }  # fmt: skip
    assert len(list(out.glob('train/*/*.png'))) == 126
    sheet = cv2.imread(str(out / 'removed.png'))
    assert sheet.shape[0] > 1000
    record = json.loads((out / 'filter.json').read_text())
    assert sum(record['train_before'].values()) == 140
    assert record['train_after']['fear'] == 18
    assert record['crowd_majority_names_label'] == [0.9, 1.0]


def test_methods_combine(planted, train, tmp_path):
    def first_half(data):
        found = votes.judge(data)
        half = np.arange(len(data)) % 20 < 10
        return type(found)('half', 'test', half, ('by place',) * len(data), found.suggested)

    every = filtering.filter_dataset(planted, tmp_path / 'all', [votes.judge, first_half])
    some = filtering.filter_dataset(planted, tmp_path / 'any', [votes.judge, first_half], 'any')
    by_votes, by_half = votes.judge(train).keep, first_half(train).keep
    assert sum(every.after.values()) == (by_votes & by_half).sum()
    assert sum(some.after.values()) == (by_votes | by_half).sum()
    row = lines_of(tmp_path / 'any' / 'verdicts.csv')[0]
    assert set(row) == {'path', 'label', 'verdict', 'reason', 'suggested', 'votes', 'half'}
    assert row['reason'].endswith('; by place')


def test_an_interruption_leaves_nothing_behind(planted, tmp_path, monkeypatch):
    calls = []

    def interrupted(*paths):
        calls.append(paths)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return os.symlink(*paths)

    monkeypatch.setattr(os, 'link', interrupted)
    with pytest.raises(KeyboardInterrupt):
        filtering.filter_dataset(planted, tmp_path / 'new', [votes.judge])
    assert list(tmp_path.iterdir()) == []
    assert len(load(planted, 'train')) == 140


def test_a_full_disk_leaves_nothing_behind(planted, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'link', full)
    monkeypatch.setattr(filtering.shutil, 'copyfile', full)
    out = tmp_path / 'new'
    line = refused(capsys, planted, '--method', 'votes', '--out', out)
    assert line.startswith(
        f'emotion-training filter: {out} cannot be written: No space left on device'
    )
    assert list(tmp_path.iterdir()) == []
    # the same while a fold's answers are saved
    monkeypatch.setattr(out_of_fold, '_answer', lambda *_: np.zeros((0, 7)))
    monkeypatch.setattr(out_of_fold.np, 'savez', full)
    assert 'cannot be written: No space left on device' in refused(
        capsys, planted, '--method', 'confident-learning', '--out', out
    )


def test_where_files_cannot_be_linked_they_are_copied(planted, tmp_path, monkeypatch):
    def other_disk(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, 'link', other_disk)
    filtering.filter_dataset(planted, tmp_path / 'new', [votes.judge])
    copies = list((tmp_path / 'new').glob('train/*/*.png'))
    assert len(copies) == 126
    assert {path.stat().st_nlink for path in copies} == {1}


def test_an_existing_folder_is_not_touched(planted, tmp_path, capsys):
    line = refused(capsys, planted, '--method', 'votes', '--out', tmp_path)
    assert line.endswith(f'{tmp_path} exists already; remove it or choose another folder')


def test_a_dataset_without_votes(drawn_csv, tmp_path, capsys):
    build(read_fer2013(drawn_csv[0]), tmp_path / 'data')
    line = refused(capsys, tmp_path / 'data', '--method', 'votes', '--out', tmp_path / 'new')
    assert 'no FER+ votes; build it with --votes fer2013new.csv' in line


def test_a_class_that_would_be_emptied(planted, tmp_path):
    def against_fear(data):
        found = votes.judge(data)
        keep = data.labels != EMOTIONS.index('fear')
        return type(found)('no fear', '', keep, found.reasons, found.suggested)

    with pytest.raises(FilterError, match='no training image of fear would be left of 20'):
        filtering.filter_dataset(planted, tmp_path / 'new', [against_fear])
    assert list(tmp_path.iterdir()) == []


def test_no_dataset_at_all(tmp_path, capsys):
    line = refused(capsys, tmp_path, '--method', 'votes', '--out', tmp_path / 'new')
    assert 'manifest.csv is missing; make the dataset with `emotion-training build`' in line


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('votes', '--min-share', '0'), 'min-share is 0.0, expected above 0'),
        (('confident-learning', '--folds', '1'), '1 folds; at least 2 are needed'),
        (('confident-learning', '--epochs', '0'), '0 epochs; at least 1 is needed'),
        (('confident-learning', '--folds', '30'), 'of anger, too few for 30 folds'),
    ],
)
def test_options_out_of_range(planted, tmp_path, capsys, options, message):
    line = refused(capsys, planted, '--method', *options, '--out', tmp_path / 'new')
    assert message in line
    assert list(tmp_path.iterdir()) == []


# -- confident learning ----------------------------------------------------------------------------


@pytest.mark.parametrize('prune', PRUNINGS)
def test_confident_learning_finds_planted_labels(train, prune):
    found = confident_learning.judge(train, as_predicted, prune)
    wrong = train.labels != drawn_labels(train)
    assert (~found.keep & wrong).sum() >= 12
    assert (~found.keep & ~wrong).sum() <= 1
    assert found.reasons[0].startswith('out of fold: ')


def test_predictions_are_left_for_the_next_time(planted, train, tmp_path, capsys):
    ready = tmp_path / 'ready.npz'
    predictions.save(ready, train, as_predicted(train))
    first, second = tmp_path / 'first', tmp_path / 'second'
    given = ('--method', 'confident-learning', '--predictions')
    assert cli.main(['filter', str(planted), *given, str(ready), '--out', str(first)]) == 0
    left = first / 'confident-learning.npz'
    assert np.allclose(predictions.read(left, train), as_predicted(train))
    # the file of the whole split serves a part of it
    assert cli.main(['filter', str(first), *given, str(left), '--out', str(second)]) == 0
    assert len(load(second, 'train')) <= len(load(first, 'train')) < 140
    assert 'confident-learning: prune_by_noise_rate; the networks name' in capsys.readouterr().out


def test_bad_predictions_are_named(planted, train, tmp_path, capsys):
    path, out = tmp_path / 'ready.npz', tmp_path / 'new'
    command = (planted, '--method', 'confident-learning', '--predictions', path, '--out', out)
    good = as_predicted(train)
    assert refused(capsys, *command).endswith('ready.npz does not exist')
    path.write_text('<!DOCTYPE html>')
    assert refused(capsys, *command).endswith('is not an npz file of predictions')
    np.savez(path, paths=np.array(train.paths))
    assert 'has no array sha256, labels, probabilities' in refused(capsys, *command)
    predictions.save(path, train, good[:, :6])
    assert 'shape (140, 6), expected (140, 7)' in refused(capsys, *command)
    predictions.save(path, train, np.where(np.arange(140)[:, None] == 3, np.nan, good))
    assert f'the row of {train.paths[3]} is not a set' in refused(capsys, *command)
    part = Dataset(train.images[1:], train.labels[1:], None, train.digests[1:], train.paths[1:])
    predictions.save(path, part, good[1:])
    assert refused(capsys, *command).endswith(f'has no row for {train.paths[0]}')
    other = Dataset(train.images, train.labels, None, train.digests[::-1], train.paths)
    predictions.save(path, other, good)
    assert 'had other pixels when these predictions were made' in refused(capsys, *command)
    assert not out.exists()


def test_one_class_only():
    alone = split({'fear': 10})
    with pytest.raises(FilterError, match='train holds one class only'):
        confident_learning.judge(alone, lambda data: np.full((1, 7), 1 / 7))


def test_twins_share_a_fold_and_classes_are_spread(train):
    digests = train.digests.copy()
    digests[5] = digests[25] = digests[7]
    data = Dataset(train.images, train.labels, None, digests, train.paths)
    folds = out_of_fold.assign_folds(data, 4, seed=1)
    assert folds[5] == folds[7] == folds[25]
    assert sorted(set(folds)) == [0, 1, 2, 3]
    for label in range(7):
        assert np.bincount(folds[train.labels == label], minlength=4).min() >= 3


def test_folds_that_are_done_are_not_trained_again(train, tmp_path, monkeypatch):
    trained = []

    def quick(data, held_out, epochs, seed, name):
        trained.append(name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return np.full((int(held_out.sum()), 7), seed / 7)

    monkeypatch.setattr(out_of_fold, '_answer', quick)
    with pytest.raises(KeyboardInterrupt):
        out_of_fold.predict(train, tmp_path)
    found = out_of_fold.predict(train, tmp_path)
    assert trained == [f'fold {n} of 4' for n in (1, 2, 3, 3, 4)]
    assert np.allclose(found[:, 0], (out_of_fold.assign_folds(train, 4, 1) + 1) / 7)
    out_of_fold.predict(train, tmp_path, epochs=3)
    assert len(trained) == 9


def test_a_network_that_never_saw_an_image_knows_what_it_shows(train):
    held_out = out_of_fold.assign_folds(train, 2, seed=1) == 0
    answers = out_of_fold._answer(train, held_out, 16, 1, 'fold 1 of 2')
    assert answers.shape == (int(held_out.sum()), 7)
    assert answers.sum(1) == pytest.approx(1, abs=1e-4)
    drawn = drawn_labels(train)[held_out]
    assert (answers.argmax(1) == drawn).mean() > 0.6
    wrong = (train.labels != drawn_labels(train))[held_out]
    assert (answers.argmax(1) == train.labels[held_out])[wrong].mean() < 0.3


def test_the_folds_answers_go_where_the_dataset_is_complete(planted, train, tmp_path, monkeypatch):
    everything = as_predicted(train)
    monkeypatch.setattr(out_of_fold, '_answer', lambda data, held_out, *_: everything[held_out])
    out = tmp_path / 'new'
    command = ['filter', str(planted), '--method', 'confident-learning', '--out', str(out)]
    monkeypatch.setattr(os, 'replace', _stop_at(out, os.replace))
    assert cli.main(command) == 130
    assert sorted(p.name for p in (tmp_path / 'new.work').iterdir()) == [
        f'fold-{n}.npz' for n in range(4)
    ]
    monkeypatch.undo()
    assert cli.main(command) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ['new']
    assert np.allclose(predictions.read(out / 'confident-learning.npz', train), everything)


def _stop_at(path, replace):
    def stopping(old, new):
        if new == path:
            raise KeyboardInterrupt
        replace(old, new)

    return stopping


# -- deepface --------------------------------------------------------------------------------------


def test_deepface_keeps_what_it_agrees_with(train):
    def double(images):
        assert images.dtype == np.uint8
        assert images.shape == (140, 48, 48)
        return np.eye(7)[drawn_labels(train)] * 0.94 + 0.01

    found = deepface_agreement.judge(train, double)
    assert np.array_equal(found.keep, train.labels == drawn_labels(train))
    wrong = int(np.flatnonzero(train.paths == np.array('train/disgust/00000.png'))[0])
    assert found.reasons[wrong] == 'DeepFace: anger 0.95, disgust 0.01'
    assert found.note == 'weights not named'


def test_a_stand_in_says_that_it_is_one(train, random_weights):
    weights, network = random_weights
    note = deepface_agreement.describe(weights)
    assert note.startswith("a STAND-IN for DeepFace's weights (random), sha256 ")
    stand_in = deepface_agreement.judge(train, lambda images: np.eye(7)[drawn_labels(train)], note)
    assert stand_in.note == note
    assert stand_in.reasons[0].startswith('the stand-in for DeepFace: anger 1.00')
    # a file without the mark is not called DeepFace's own: nobody here can know
    bare = weights.with_name('bare.h5')
    with h5py.File(bare, 'w'):
        pass
    assert deepface_agreement.describe(bare).startswith('weights without the mark of a stand-in, ')
    # the number of parameters that DeepFace's network has
    assert network.count_params() == 1_485_831


def test_missing_weights_are_asked_for_in_one_line(planted, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('DEEPFACE_HOME', str(tmp_path))
    command = (planted, '--method', 'deepface', '--out', tmp_path / 'new')
    line = refused(capsys, *command)
    weights = tmp_path / '.deepface' / 'weights' / 'facial_expression_model_weights.h5'
    assert f'deepface: {weights} is missing' in line
    assert 'put it there or name it with --weights. Nothing is ever downloaded here' in line
    assert list(tmp_path.iterdir()) == []
    line = refused(capsys, *command, '--weights', tmp_path / 'other.h5')
    assert f'{tmp_path / "other.h5"} is missing' in line


def test_a_pointer_saved_as_weights(planted, tmp_path, capsys):
    weights = tmp_path / 'weights.h5'
    weights.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
    command = (planted, '--method', 'deepface', '--weights', weights, '--out', tmp_path / 'new')
    assert f'{weights} is not an HDF5 file' in refused(capsys, *command)


@pytest.fixture(scope='module')
def random_weights(tmp_path_factory):
    """Return a weights file of DeepFace's architecture that knows nothing, and its network."""
    keras.utils.set_random_seed(5)
    network = deepface_network.network(keras)
    path = tmp_path_factory.mktemp('weights') / 'facial_expression_model_weights.h5'
    deepface_standin.save(network, path, 'random')
    return path, network


needs_deepface = pytest.mark.skipif(
    not (importlib.util.find_spec('deepface') and importlib.util.find_spec('tf_keras')),
    reason='deepface is not installed (training/requirements-deepface.txt)',
)


_ANALYZE = """
import sys
import numpy as np
from deepface import DeepFace
faces = np.load(sys.argv[1])
answers = DeepFace.analyze(
    [np.repeat(face[..., None], 3, 2) for face in faces], actions=['emotion'],
    detector_backend='skip', enforce_detection=False, silent=True,
)
words = ('angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
np.save(sys.argv[2], [[one[0]['emotion'][word] / 100 for word in words] for one in answers])
"""


@needs_deepface
def test_the_real_library_answers_as_its_analyze_does(train, random_weights, tmp_path):
    weights, network = random_weights
    faces = train.images[::14].copy()
    faces[0] = 0
    found = deepface_agreement.classify(faces, weights)
    assert found.dtype == np.float32
    # the same network in Keras 3, after what deepface does to a face on its way
    resized = [cv2.resize(cv2.resize(f / 255, (224, 224)), (48, 48)) for f in faces]
    answers = network.predict(np.array(resized, np.float32)[..., None], verbose=0)
    expected = answers[:, [FER2013_CODES.index(name) for name in EMOTIONS]]
    assert np.abs(found - expected).max() < 1e-4
    # the library's own way, one image at a time
    home = tmp_path / '.deepface' / 'weights'
    home.mkdir(parents=True)
    (home / deepface_agreement.WEIGHTS_NAME).symlink_to(weights)
    np.save(tmp_path / 'faces.npy', faces)
    subprocess.run(
        [sys.executable, '-c', _ANALYZE, str(tmp_path / 'faces.npy'), str(tmp_path / 'a.npy')],
        env=os.environ | {'DEEPFACE_HOME': str(tmp_path), 'TF_CPP_MIN_LOG_LEVEL': '3'},
        check=True,
    )
    assert np.abs(found - np.load(tmp_path / 'a.npy')).max() < 1e-5


@needs_deepface
def test_the_library_cannot_reach_the_network(train, tmp_path):
    np.save(tmp_path / 'images.npy', train.images[:1])
    done = subprocess.run(
        [sys.executable, '-m', 'emotion_training.filtering.deepface_worker', str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {'DEEPFACE_HOME': str(tmp_path)},
    )
    assert done.returncode == 1
    assert 'it must not' in done.stdout
    assert not list(tmp_path.rglob('*.h5*'))


@needs_deepface
def test_weights_of_another_network_are_refused(train, tmp_path):
    path = tmp_path / 'weights.h5'
    with h5py.File(path, 'w') as stream:
        stream.attrs['layer_names'] = []
    with pytest.raises(FilterError, match='deepface: the library does not accept the weights'):
        deepface_agreement.classify(train.images[:1], path)


# -- the command -----------------------------------------------------------------------------------


def test_help_is_there_at_once():
    heavy = 'cleanlab', 'deepface', 'keras', 'matplotlib', 'sklearn', 'tensorflow'
    program = (
        'import sys\nfrom emotion_training import cli\n'
        'try: cli.main(["filter", "--help"])\n'
        f'except SystemExit: sys.exit(bool(set({heavy}) & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    for word in ('--method', 'votes', 'confident-learning', 'deepface', 'Nothing is'):
        assert word in done.stdout
