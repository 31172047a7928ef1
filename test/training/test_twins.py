"""Duplicates: which images are the same picture, and what is done about it."""

import csv
import importlib.util
import time
from collections import Counter

import cv2
import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training.data import dataset
from emotion_training.data.build import build
from emotion_training.data.duplicates import (
    NEAR_CORRELATION,
    correlation,
    group_twins,
    perceptual_hashes,
    pixel_hash,
)
from emotion_training.data.fer2013 import read_fer2013
from emotion_training.data.image_checks import detect_in_region, is_flat
from emotion_training.data.leakage import Duplicates
from emotion_training.data.splits import choose_validation
from support.drawn_faces import write_fer2013


def picture(seed):
    """Return a picture that resembles no other, uint8 [48, 48]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    return cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC)


def shifted(image, pixels):
    return np.roll(image, pixels, axis=1)


def compressed(image):
    return cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)


def groups_of(images):
    images = np.stack(images)
    return group_twins(images, [pixel_hash(i) for i in images], perceptual_hashes(images))


def test_the_same_picture_is_found_in_other_clothes():
    base = picture(0)
    lighter = cv2.convertScaleAbs(base, alpha=0.7, beta=40)
    groups = groups_of([base, picture(1), compressed(base), lighter, base, shifted(base, 1)])
    assert groups[0] == groups[2] == groups[3] == groups[4] == groups[5]
    assert groups[1] != groups[0]


def test_strangers_are_strangers():
    assert len(set(groups_of([picture(seed) for seed in range(200)]))) == 200


def test_correlation_does_not_mind_a_shift():
    base = picture(0)
    assert correlation(base, base) == pytest.approx(1)
    assert correlation(base, shifted(base, 4)) > 0.99
    assert correlation(base, picture(1)) < NEAR_CORRELATION


def test_flat_pictures_are_twins_only_pixel_for_pixel():
    flat = [np.full((48, 48), value, np.uint8) for value in (0, 0, 1, 128, 129)]
    assert [is_flat(image) for image in flat] == [True] * 5
    assert [detect_in_region(image) for image in flat] == [('black',)] * 3 + [('flat',)] * 2
    assert detect_in_region(picture(0)) == ()
    groups = groups_of(flat)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4


def test_thirty_thousand_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30_000, 8, 8), dtype=np.uint8)
    hashes = rng.integers(0, 2**64, len(images), dtype=np.uint64)
    started = time.perf_counter()
    groups = group_twins(
        np.repeat(images, 2, 2).repeat(2, 1), [str(i) for i in range(30_000)], hashes
    )
    assert time.perf_counter() - started < 30
    assert len(set(groups)) > 29_990


@pytest.fixture
def planted(tmp_path):
    """Return fer2013.csv and votes with twins of all kinds; the rows that matter stand first."""
    validation = [(label, picture(100 + k), 'PublicTest') for k, label in enumerate(EMOTIONS)]
    rows = [
        ('fear', validation[0][1], 'Training'),  # 0: exact twin of anger in validation (10)
        ('anger', compressed(validation[1][1]), 'Training'),  # 1: near twin of 11
        ('fear', picture(1), 'Training'),  # 2 and 3: exact twins of one label
        ('fear', picture(1), 'Training'),
        ('sadness', picture(2), 'Training'),  # 4 and 5: exact twins of two labels
        ('neutral', picture(2), 'Training'),
        ('neutral', np.zeros((48, 48), np.uint8), 'Training'),  # 6
        ('neutral', picture(3), 'Training'),  # 7 and 8: near twins of two labels
        ('surprise', shifted(picture(3), 1), 'Training'),
        ('anger', picture(4), 'Training'),  # 9: nobody's twin
        *validation,  # 10 to 16
        *((label, picture(20 + k), 'Training') for k, label in enumerate(EMOTIONS)),
    ]
    return write_fer2013(tmp_path, rows)


def manifest(folder):
    with (folder / 'manifest.csv').open(newline='') as stream:
        return {int(row['row']): row for row in csv.DictReader(stream)}


def test_every_finding_stands_in_the_manifest(planted, tmp_path):
    summary = build(read_fer2013(*planted), tmp_path / 'data')
    found = {number: row['checks'] for number, row in manifest(tmp_path / 'data').items()}
    assert {number: text for number, text in found.items() if text} == {
        0: 'exact twin in validation;exact twins disagree',
        1: 'near twin in validation;near twins disagree',
        2: 'exact twin in train',
        3: 'exact twin in train',
        4: 'exact twin in train;exact twins disagree',
        5: 'exact twin in train;exact twins disagree',
        6: 'black',
        7: 'near twin in train;near twins disagree',
        8: 'near twin in train;near twins disagree',
        10: 'exact twin in train;exact twins disagree',
        11: 'near twin in train;near twins disagree',
    }
    assert summary.findings == {
        'black': '1',
        'exact twins': '3 groups, 6 images; 2 groups disagree in their label',
        'near twins': '2 groups, 4 images; 2 groups disagree in their label',
        'validation images with a twin in train': '1 exact, 2 exact or near, of 7',
    }
    validation = dataset.load(tmp_path / 'data', 'validation')
    assert validation.twin_in('train').tolist() == [True, True] + [False] * 5


def test_duplicates_are_listed_by_group(planted, tmp_path):
    build(read_fer2013(*planted), tmp_path / 'data')
    with (tmp_path / 'data' / 'duplicates.csv').open(newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert [
        (row['group'], row['row'], row['kind'], row['labels'], row['splits']) for row in rows
    ] == [
        ('0', '0', 'exact', 'disagree', 'train validation'),
        ('0', '10', 'exact', 'disagree', 'train validation'),
        ('1', '1', 'near', 'disagree', 'train validation'),
        ('1', '11', 'near', 'disagree', 'train validation'),
        ('2', '2', 'exact', 'agree', 'train'),
        ('2', '3', 'exact', 'agree', 'train'),
        ('3', '4', 'exact', 'disagree', 'train'),
        ('3', '5', 'exact', 'disagree', 'train'),
        ('4', '7', 'near', 'disagree', 'train'),
        ('4', '8', 'near', 'disagree', 'train'),
    ]
    rows_of_manifest = manifest(tmp_path / 'data')
    for row in rows:
        assert row['path'] == rows_of_manifest[int(row['row'])]['path']


def test_leak_free_takes_from_train_alone(planted, tmp_path):
    summary = build(read_fer2013(*planted), tmp_path / 'data', leak_free=True)
    rows = manifest(tmp_path / 'data')
    assert set(range(24)) - set(rows) == {0, 1}
    assert summary.counts == Counter((row['split'], row['label']) for row in rows.values())
    assert not any('twin in validation' in row['checks'] for row in rows.values())
    assert rows[10]['checks'] == ''
    with (tmp_path / 'data' / 'left_out.csv').open(newline='') as stream:
        left_out = list(csv.DictReader(stream))
    assert [(row['row'], row['split'], row['label']) for row in left_out] == [
        ('0', 'train', 'fear'),
        ('1', 'train', 'anger'),
    ]
    assert left_out[0]['reason'] == 'exact twin in validation: row 10 of the source (fer2013.csv)'
    assert left_out[1]['reason'].startswith('near twin in validation: row 11')
    assert 'left out: exact twin in validation' in summary.text()


def test_a_share_is_the_same_in_any_order_and_tears_no_twins_apart():
    rng = np.random.default_rng(3)
    digests = [f'{value:08x}' for value in rng.permutation(400)]
    labels = [EMOTIONS[k % 7] for k in range(400)]
    groups = np.arange(400)
    groups[7:14] = groups[0:7]  # seven pairs of twins
    chosen = choose_validation(0.2, groups, digests, labels)
    assert (chosen[7:14] == chosen[0:7]).all()
    counts = Counter(label for label, there in zip(labels, chosen, strict=True) if there)
    assert all(11 <= counts[label] <= 12 for label in EMOTIONS)
    order = rng.permutation(400)
    again = choose_validation(
        0.2, groups[order], [digests[i] for i in order], [labels[i] for i in order]
    )
    assert np.array_equal(again, chosen[order])


def test_a_class_of_two_gives_one_and_keeps_one():
    chosen = choose_validation(0.01, np.arange(2), ['a', 'b'], ['fear', 'fear'])
    assert chosen.tolist() == [True, False]


def test_what_is_known_of_fer2013(shared):
    tool = shared.parent / 'tools' / 'unpack_fer2013.py'
    spec = importlib.util.spec_from_file_location('unpack_fer2013', tool)
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    with (shared / 'fer2013' / 'rows.csv').open(newline='') as stream:
        rows = list(csv.DictReader(stream))
    images = list(unpack.images(len(rows)))
    digests = [pixel_hash(image) for image in images]
    splits = ['train' if row['usage'] == 'Training' else 'validation' for row in rows]
    exact = np.unique(digests, return_inverse=True)[1]
    findings = Duplicates(exact, digests, splits, [row['emotion'] for row in rows]).findings()
    assert findings['validation images with a twin in train'].startswith('280 exact, ')
    assert sum(detect_in_region(image) == ('black',) for image in images) == 12
