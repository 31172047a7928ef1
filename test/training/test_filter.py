# SPDX-License-Identifier: Apache-2.0
"""Each filter method finds planted wrong labels and changes train only; bad input is reported."""

import dataclasses
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
    deepface_standin,
    out_of_fold,
    predictions,
    votes,
)
from emotion_training.filtering.decisions import FilterError, combined
from emotion_training.filtering.filtered_dataset import copy_without, filter_dataset
from support.drawn_faces import read_rows

PLANTED = 2
"""Wrong labels in each class of the 20 training images."""


@pytest.fixture(scope='module')
def planted(drawn_csv, tmp_path_factory):
    """Return a dataset in which the first two images of a class have the next class's label."""
    folder = tmp_path_factory.mktemp('planted')

    def samples():
        for sample in read_fer2013(*drawn_csv):
            if sample.row < 140 and sample.row % 20 < PLANTED:
                label = EMOTIONS[(EMOTIONS.index(sample.label) + 1) % 7]
                sample = dataclasses.replace(sample, label=label)
            yield sample

    build(samples(), folder / 'data')
    return folder / 'data'


@pytest.fixture(scope='module')
def train(planted):
    return load(planted, 'train')


def drawn_labels(data):
    """Return the drawn expressions: file names contain the row, and there are 20 rows a class."""
    return np.array([int(path[-9:-4]) for path in data.paths]) // 20


def good_predictions(data, unsure=0.05):
    """Return probabilities of a good network that does not know the labels; some are unsure."""
    rng = np.random.default_rng(3)
    found = rng.dirichlet(np.full(7, 0.5), len(data)) * 0.25
    found[np.arange(len(data)), drawn_labels(data)] += 0.75
    rows = rng.random(len(data)) < unsure
    found[rows] = rng.dirichlet(np.full(7, 5.0), int(rows.sum()))
    return found.astype(np.float32)


def error_of(capsys, *arguments):
    """Run `emotion-training filter`, which must fail; return its last line."""
    assert cli.main(['filter', *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert 'Traceback' not in error
    return error.strip().splitlines()[-1]


def one_image(label='fear', **counts):
    """Return a split of one blank image with these votes."""
    return Dataset(
        np.zeros((1, 48, 48), np.uint8),
        np.array([EMOTIONS.index(label)]),
        np.array([[counts.get(name, 0) for name in VOTE_COLUMNS]], np.uint8),
        np.array(['0']),
        ('train/fear/0.png',),
    )


# -- votes --


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
def test_rules_of_agreement(counts, plurality, majority, soft):
    rules = {'plurality': plurality, 'majority': majority, 'soft': soft}
    assert {rule: votes.decide(one_image(**counts), rule).keep[0] for rule in rules} == rules


def test_reasons_and_suggestions_of_the_votes():
    found = votes.decide(one_image(fear=3, surprise=7))
    assert found.reasons == ('3 of 10 say fear, 7 surprise',)
    assert EMOTIONS[found.suggested[0]] == 'surprise'
    unclear = one_image(fear=4, NF=3, unknown=3)
    assert votes.decide(unclear).reasons == ('most cannot tell or see no face; 4 of 10 say fear',)
    assert votes.decide(unclear, keep_unclear=True).keep[0]


def test_filter_by_votes(planted, train, tmp_path, capsys):
    out = tmp_path / 'new'
    assert cli.main(['filter', str(planted), '--method', 'votes', '--out', str(out)]) == 0
    rows = read_rows(out / 'decisions.csv')
    drawn = dict(zip(train.paths, drawn_labels(train), strict=True))
    wrong = {p for p, label in zip(train.paths, train.labels, strict=True) if label != drawn[p]}
    removed = {row['path']: row['suggested'] for row in rows if row['decision'] == 'remove'}
    assert (len(rows), len(wrong)) == (140, 14)
    assert removed == {path: EMOTIONS[drawn[path]] for path in wrong}
    first = next(row for row in rows if row['path'].endswith('00000.png'))
    assert first['reason'] == '0 of 10 say disgust, 8 anger'
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == ['train', 'before', 'after', 'kept', 'validation']
    assert printed[1] == ['anger', '20', '18', '90.0%', '6']
    assert printed[8] == ['all', '140', '126', '90.0%', '42']
    # validation is unchanged, and so are the rows of the manifest
    old, new, kept = load(planted, 'validation'), load(out, 'validation'), load(out, 'train')
    assert np.array_equal(old.images, new.images)
    assert old.paths == new.paths
    assert np.array_equal(kept.labels, drawn_labels(kept))
    after = read_rows(out / MANIFEST)
    assert [row for row in read_rows(planted / MANIFEST) if row in after] == after
    assert {p.name for p in out.iterdir()} == {
        'filter.json', 'manifest.csv', 'removed.png', 'train', 'validation', 'decisions.csv',
    }  # fmt: skip
    assert len(list(out.glob('train/*/*.png'))) == len(kept) == 126
    assert cv2.imread(str(out / 'removed.png')).shape[0] > 1000
    record = json.loads((out / 'filter.json').read_text())
    assert sum(record['train_before'].values()) == 140
    assert record['train_after']['fear'] == 18
    assert record['crowd_majority_equals_label'] == [0.9, 1.0]


# -- combining and writing --


def test_methods_are_combined(planted, train, tmp_path):
    by_votes, half = votes.decide(train), np.arange(len(train)) % 20 < 10
    by_half = dataclasses.replace(
        by_votes, method='half', keep=half, reasons=('by position',) * len(train)
    )
    assert np.array_equal(combined([by_votes, by_half], 'all'), by_votes.keep & half)
    either = by_votes.keep | half
    methods = [votes.decide, lambda data: by_half]
    summary = filter_dataset(planted, tmp_path / 'new', methods, 'any')
    assert sum(summary.after.values()) == either.sum()
    rows = read_rows(tmp_path / 'new' / 'decisions.csv')
    assert [*rows[0]] == ['path', 'label', 'decision', 'reason', 'suggested', 'votes', 'half']
    assert [row['decision'] == 'keep' for row in rows] == either.tolist()
    assert all(row['reason'].endswith('; by position') for row in rows)


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_full_disk_leaves_nothing_behind(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, 'link', fail_with(errno.ENOSPC))
    monkeypatch.setattr('shutil.copyfile', fail_with(errno.ENOSPC))
    out = tmp_path / 'new'
    line = error_of(capsys, planted, '--method', 'votes', '--out', out)
    assert line.startswith(
        f'emotion-training filter: {out} cannot be written: No space left on device'
    )
    # the same while the predictions of a fold are saved
    monkeypatch.setattr(out_of_fold, 'fit_and_predict', lambda *_: np.zeros((0, 7)))
    monkeypatch.setattr(np, 'savez_compressed', fail_with(errno.ENOSPC))
    line = error_of(capsys, planted, '--method', 'confident-learning', '--out', out)
    assert 'cannot be written: No space left on device' in line
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_files_are_copied_where_they_cannot_be_linked(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'link', fail_with(errno.EXDEV))
    (tmp_path / 'new').mkdir()
    removed = load(planted, 'train').paths[:14]
    assert copy_without(planted, tmp_path / 'new', removed)['validation']['fear'] == 6
    links = [path.stat().st_nlink for path in (tmp_path / 'new').glob('train/*/*.png')]
    assert links == [1] * 126


def test_a_class_must_not_become_empty(planted, tmp_path):
    def no_fear(data):
        return dataclasses.replace(votes.decide(data), keep=data.labels != EMOTIONS.index('fear'))

    with pytest.raises(FilterError, match='no training image of fear would be left of 20'):
        filter_dataset(planted, tmp_path / 'new', [no_fear])
    assert list(tmp_path.iterdir()) == []


def test_invalid_datasets(planted, train, tmp_path, capsys):
    line = error_of(capsys, planted, '--method', 'votes', '--out', tmp_path)
    assert line.endswith(f'{tmp_path} exists already; remove it or choose another name')
    line = error_of(capsys, tmp_path, '--method', 'votes', '--out', tmp_path / 'new')
    assert 'manifest.csv is missing; make the dataset with `emotion-training build`' in line
    with pytest.raises(FilterError, match='no FER.* votes; build it with --votes fer2013new.csv'):
        votes.decide(dataclasses.replace(train, votes=None))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('votes', '--min-share', '0'), 'min-share is 0.0, expected above 0'),
        (('confident-learning', '--folds', '1'), '1 folds; at least 2 are needed'),
        (('confident-learning', '--epochs', '0'), '0 epochs; at least 1 is needed'),
        (('confident-learning', '--folds', '30'), 'of anger, too few for 30 folds'),
        (('deepface', '--weights', 'none.h5'), 'none.h5 is missing'),
    ],
)
def test_invalid_options(planted, tmp_path, capsys, options, message):
    assert message in error_of(capsys, planted, '--method', *options, '--out', tmp_path / 'new')
    assert list(tmp_path.iterdir()) == []


# -- confident learning --


@pytest.mark.parametrize('prune', PRUNINGS)
def test_confident_learning_finds_planted_labels(train, prune):
    found = confident_learning.decide(train, good_predictions, prune)
    wrong = train.labels != drawn_labels(train)
    assert (~found.keep & wrong).sum() >= 12
    assert (~found.keep & ~wrong).sum() <= 1
    assert found.reasons[0].startswith('out of fold: ')


def test_predictions_can_be_used_again(planted, train, tmp_path, capsys):
    ready = tmp_path / 'ready.npz'
    predictions.save(ready, train, good_predictions(train))
    first, second = tmp_path / 'first', tmp_path / 'second'
    given = ('--method', 'confident-learning', '--predictions')
    assert cli.main(['filter', str(planted), *given, str(ready), '--out', str(first)]) == 0
    written = first / 'confident-learning.npz'
    assert np.allclose(predictions.read(written, train), good_predictions(train))
    # the file of the whole split also serves a part of it
    assert cli.main(['filter', str(first), *given, str(written), '--out', str(second)]) == 0
    assert len(load(second, 'train')) <= len(load(first, 'train')) < 140
    printed = capsys.readouterr().out
    assert 'confident-learning: prune_by_noise_rate; the networks predict' in printed


def test_invalid_predictions(train, tmp_path):
    path, good = tmp_path / 'ready.npz', good_predictions(train)
    other = dataclasses.replace(train, digests=train.digests[::-1])
    some = np.arange(1, 140)
    cases = [
        (lambda: None, 'ready.npz does not exist'),
        (lambda: path.write_text('<!DOCTYPE html>'), 'is not an npz file of predictions'),
        (lambda: np.savez(path, paths=train.paths), 'has no array sha256, labels, probabilities'),
        (
            lambda: predictions.save(path, train, good[:, :6]),
            r'shape \(140, 6\), expected \(140, 7',
        ),
        (
            lambda: predictions.save(path, train, np.vstack([good[:-1], [[np.nan] * 7]])),
            f'the row of {train.paths[-1]} does not contain probabilities',
        ),
        (
            lambda: predictions.save(path, train.subset(some), good[1:]),
            f'has no row for {train.paths[0]}',
        ),
        (
            lambda: predictions.save(path, other, good),
            'had other pixels when these predictions were made',
        ),
    ]
    for write, message in cases:
        write()
        with pytest.raises(FilterError, match=message):
            predictions.read(path, train)


def test_predictions_at_chance_are_warned_of(planted, train, tmp_path, capsys):
    guesses = np.random.default_rng(2).dirichlet(np.ones(7), len(train))
    predictions.save(tmp_path / 'guesses.npz', train, guesses)
    options = ['--method', 'confident-learning', '--predictions', str(tmp_path / 'guesses.npz')]
    assert cli.main(['filter', str(planted), *options, '--out', str(tmp_path / 'new')]) == 0
    warning = 'WARNING: the predictions are no better than guessing: macro recall '
    assert warning in capsys.readouterr().out
    assert warning in (tmp_path / 'new' / 'filter.json').read_text()
    assert 'WARNING' in deepface_agreement.decide(train, lambda _: guesses).note
    assert 'WARNING' not in confident_learning.decide(train, good_predictions).note


def test_confident_learning_needs_two_classes():
    with pytest.raises(FilterError, match='train contains only one class'):
        confident_learning.decide(one_image(fear=10), lambda data: np.full((1, 7), 1 / 7))


@pytest.mark.parametrize('known', ['groups', 'digests'])
def test_folds_are_stratified_and_keep_duplicates_together(train, known):
    """By the groups of a manifest; an older one has none, but the digests of exact duplicates."""
    same = train.digests.copy()
    same[5] = same[25] = same[7]
    changed = {'groups': None} | {known: same}
    folds = out_of_fold.assign_folds(dataclasses.replace(train, **changed), 4, seed=1)
    assert folds[5] == folds[7] == folds[25]
    assert sorted(set(folds)) == [0, 1, 2, 3]
    for label in range(7):
        assert np.bincount(folds[train.labels == label], minlength=4).min() >= 3


def test_completed_folds_are_not_trained_again(train, tmp_path, monkeypatch):
    trained = []

    def quick(data, held_out, epochs, seed, name):
        assert not {*data.paths} & {*held_out.paths}
        trained.append(name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return np.eye(7)[[seed] * len(held_out)]

    monkeypatch.setattr(out_of_fold, 'fit_and_predict', quick)
    with pytest.raises(KeyboardInterrupt):
        out_of_fold.predict(train, tmp_path)
    found = out_of_fold.predict(train, tmp_path)
    assert trained == [f'fold {n} of 4' for n in (1, 2, 3, 3, 4)]
    assert np.array_equal(found.argmax(1), out_of_fold.assign_folds(train, 4, 1) + 1)
    out_of_fold.predict(train, tmp_path, epochs=3)
    assert len(trained) == 9


def test_predictions_of_folds_are_kept_until_the_dataset_is_complete(
    planted, train, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        out_of_fold, 'fit_and_predict', lambda _, held_out, *__: good_predictions(held_out)
    )
    out, replace = tmp_path / 'new', os.replace
    command = ['filter', str(planted), '--method', 'confident-learning', '--out', str(out)]

    def interrupted(old, new):
        if new == out:
            raise KeyboardInterrupt
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', interrupted)
        assert cli.main(command) == 130
    assert capsys.readouterr().err.endswith('stopped; the same command resumes\n')
    assert len(list((tmp_path / 'new.work').glob('*-fold-?.npz'))) == 4
    assert cli.main(command) == 0
    assert [path.name for path in tmp_path.iterdir()] == ['new']
    assert (predictions.read(out / 'confident-learning.npz', train) >= 0).all()


@pytest.mark.slow
def test_out_of_fold_networks_recognize_faces_they_have_not_seen(train):
    # drawn faces of one expression resemble one another so much that they would share a fold
    train = dataclasses.replace(train, groups=None)
    in_fold = out_of_fold.assign_folds(train, 2, seed=1) == 0
    held_out = train.subset(in_fold)
    found = out_of_fold.fit_and_predict(train.subset(~in_fold), held_out, 2, 1, 'fold 1 of 2')
    assert found.shape == (len(held_out), 7)
    assert found.sum(1) == pytest.approx(1, abs=1e-4)
    drawn = drawn_labels(held_out)
    assert (found.argmax(1) == drawn).mean() > 0.6
    wrong = held_out.labels != drawn
    assert (found.argmax(1) == held_out.labels)[wrong].mean() < 0.3


# -- deepface --


@pytest.fixture(scope='module')
def random_weights(tmp_path_factory):
    """Return a file of random weights of DeepFace's architecture, and the network."""
    keras.utils.set_random_seed(5)
    network = deepface_standin.build_network(keras)
    path = tmp_path_factory.mktemp('weights') / 'facial_expression_model_weights.h5'
    deepface_standin.save(network, path, 'random')
    return path, network


def test_deepface_agreement(train):
    def classify(images):
        assert (images.dtype, images.shape) == (np.uint8, (140, 48, 48))
        return np.eye(7)[drawn_labels(train)] * 0.94 + 0.01

    found = deepface_agreement.decide(train, classify, 'weights of a test')
    assert np.array_equal(found.keep, train.labels == drawn_labels(train))
    wrong = train.paths.index('train/disgust/00000.png')
    assert found.reasons[wrong] == 'DeepFace: anger 0.95, disgust 0.01'
    assert found.note == 'weights of a test'


def test_a_stand_in_is_reported(train, random_weights):
    weights, network = random_weights
    note = deepface_agreement.describe(weights)
    assert note.startswith("a STAND-IN for DeepFace's weights (random), sha256 ")
    found = deepface_agreement.decide(train, lambda images: np.eye(7)[drawn_labels(train)], note)
    assert found.note == note
    assert found.reasons[0].startswith('the stand-in for DeepFace: anger 1.00')
    unmarked = weights.with_name('unmarked.h5')
    h5py.File(unmarked, 'w').close()
    assert deepface_agreement.describe(unmarked).startswith('weights without the mark of a stand-')
    assert network.count_params() == 1_485_831  # as in DeepFace's network


def test_missing_and_invalid_weights(planted, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('DEEPFACE_HOME', str(tmp_path))
    command = (planted, '--method', 'deepface', '--out', tmp_path / 'new')
    line = error_of(capsys, *command)
    weights = tmp_path / '.deepface' / 'weights' / 'facial_expression_model_weights.h5'
    assert f'deepface: {weights} is missing' in line
    assert 'put it there or name it with --weights. Nothing is downloaded' in line
    assert list(tmp_path.iterdir()) == []
    pointer = tmp_path / 'weights.h5'
    pointer.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
    assert f'{pointer} is not an HDF5 file' in error_of(capsys, *command, '--weights', pointer)


def needs_deepface(test):
    missing = not (importlib.util.find_spec('deepface') and importlib.util.find_spec('tf_keras'))
    reason = 'deepface is not installed (training/requirements-deepface.txt)'
    return pytest.mark.slow(pytest.mark.skipif(missing, reason=reason)(test))


_ANALYZE = """
import sys
import numpy as np
from deepface import DeepFace
faces = np.load(sys.argv[1])
found = DeepFace.analyze(
    [np.repeat(face[..., None], 3, 2) for face in faces], actions=['emotion'],
    detector_backend='skip', enforce_detection=False, silent=True,
)
words = ('angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
np.save(sys.argv[2], [[one[0]['emotion'][word] / 100 for word in words] for one in found])
"""


@needs_deepface
def test_classify_equals_the_librarys_analyze(train, random_weights, tmp_path):
    weights, network = random_weights
    faces = train.images[::14].copy()
    faces[0] = 0
    found = deepface_agreement.classify(faces, weights)
    assert found.dtype == np.float32
    # the same network in Keras 3, with the library's preprocessing
    resized = [cv2.resize(cv2.resize(f / 255, (224, 224)), (48, 48)) for f in faces]
    expected = network.predict(np.array(resized, np.float32)[..., None], verbose=0)
    expected = expected[:, [FER2013_CODES.index(name) for name in EMOTIONS]]
    assert np.abs(found - expected).max() < 1e-4
    # the library's own function, one image at a time
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
def test_the_library_cannot_download(train, tmp_path):
    np.save(tmp_path / 'images.npy', train.images[:1])
    done = subprocess.run(
        [sys.executable, '-m', 'emotion_training.filtering.deepface_worker', str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {'DEEPFACE_HOME': str(tmp_path)},
    )
    assert done.returncode == 1
    assert 'this is not allowed' in done.stdout
    assert not list(tmp_path.rglob('*.h5*'))


@needs_deepface
def test_weights_of_another_network_are_refused(train, tmp_path):
    path = tmp_path / 'weights.h5'
    with h5py.File(path, 'w') as stream:
        stream.attrs['layer_names'] = []
    with pytest.raises(FilterError, match='deepface: the library does not accept the weights'):
        deepface_agreement.classify(train.images[:1], path)


def test_help_imports_no_training_library():
    heavy = 'cleanlab', 'deepface', 'keras', 'matplotlib', 'sklearn', 'tensorflow'
    program = (
        'import sys\nfrom emotion_training import cli\n'
        'try: cli.main(["filter", "--help"])\n'
        f'except SystemExit: sys.exit(bool(set({heavy}) & set(sys.modules)))'
    )
    subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
