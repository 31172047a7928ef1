# SPDX-License-Identifier: Apache-2.0
"""Duplicates: how they are found and what is done about them."""

import runpy
from collections import Counter
from itertools import combinations

import cv2
import numpy as np
import pandas as pd
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import build, choose_validation
from emotion_training.data.duplicates import (
    NEAR_CORRELATION,
    correlation,
    duplicate_findings,
    group_duplicates,
    perceptual_hashes,
    pixel_hash,
)
from emotion_training.data.fer2013 import read_fer2013
from emotion_training.data.image_checks import blank_check
from support.drawn_faces import draw_laboratory_face, read_rows, write_fer2013


def pattern(seed):
    """Return an image that resembles no other, uint8 [48, 48]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    return cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC)


def shifted(image, pixels):
    return np.roll(image, pixels, axis=1)


def compressed(image):
    return cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)


def groups_of(images):
    images = np.stack(images)
    return group_duplicates(images, [pixel_hash(i) for i in images], perceptual_hashes(images))


def test_compressed_relit_and_shifted_images_are_duplicates():
    base = pattern(0)
    relit = cv2.convertScaleAbs(base, alpha=0.7, beta=40)
    groups = groups_of([base, pattern(1), compressed(base), relit, base, shifted(base, 1)])
    assert groups[0] == groups[2] == groups[3] == groups[4] == groups[5]
    assert groups[1] != groups[0]


def cropped(image):
    return cv2.resize(image[1:-1, 1:-1], (48, 48), interpolation=cv2.INTER_LINEAR)


def rescaled(image):
    small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (48, 48), interpolation=cv2.INTER_LINEAR)


def mirrored(image):
    return np.ascontiguousarray(image[:, ::-1])


def photographs(shared, count):
    """Return the first images of FER2013, uint8 [48, 48] each."""
    tool = runpy.run_path(str(shared.parent / 'tools' / 'unpack_fer2013.py'))
    return list(tool['images'](count))


def moved(face, rng):
    """Return a photograph with another expression: mouth and brows moved by up to 4 px."""
    y, x = np.mgrid[:48, :48].astype(np.float32)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    corners, lift, lip, brows = rng.uniform(-4, 4, 4).astype(np.float32)
    for at_x, at_y, width, by_x, by_y in (
        (15, 36, 5, corners, lift), (33, 36, 5, -corners, lift), (24, 40, 6, 0, lip),
        (15, 14, 6, 0, brows), (33, 14, 6, 0, brows),
    ):  # fmt: skip
        near = np.exp(-(((x - at_x) / width) ** 2) - ((y - at_y) / 4) ** 2)
        dx, dy = dx + by_x * near, dy + by_y * near
    return cv2.remap(face, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


COPIES = (np.copy, compressed, cropped, rescaled, mirrored)


def share_of_copies(faces, copy):
    """Return the fraction of faces that get into one group with a copy, and all groups."""
    groups = groups_of([*faces, *map(copy, faces)])
    return np.mean(groups[: len(faces)] == groups[len(faces) :]), groups[: len(faces)]


def test_laboratory_faces_are_told_apart_and_their_copies_found():
    """Ten persons with one pose, light and background show seven expressions each."""
    rng = np.random.default_rng(1)
    faces = [draw_laboratory_face(e, person, rng) for person in range(10) for e in EMOTIONS]
    for copy in (np.copy, compressed, mirrored):
        found, groups = share_of_copies(faces, copy)
        assert found > 0.9, copy.__name__
        assert len(set(groups)) > 60
        assert np.bincount(groups).max() <= 4


@pytest.mark.slow
def test_copies_of_photographs_are_found_and_expressions_told_apart(shared):
    """As in a laboratory: persons with their background, whose mouth and brows move."""
    faces = [face for face in photographs(shared, 400) if face.std() > 30][:200]
    for copy in COPIES:
        found, groups = share_of_copies(faces, copy)
        assert found > (0.85 if copy is rescaled else 0.9), copy.__name__
        assert len(set(groups)) > 195
    taken = [moved(face, np.random.default_rng(k)) for face in faces[:20] for k in range(10)]
    groups = groups_of(taken)
    of_person = groups.reshape(20, 10)
    assert all(len({*one} & {*other}) == 0 for one, other in combinations(of_person, 2))
    assert len(set(groups)) > 160


def test_different_images_are_no_duplicates():
    assert len(set(groups_of([pattern(seed) for seed in range(200)]))) == 200


def test_correlation_is_independent_of_a_shift():
    base = pattern(0)
    assert correlation(base, base)[0] == pytest.approx(1)
    assert correlation(base, shifted(base, 4))[0] > 0.99
    assert correlation(base, pattern(1))[0] < NEAR_CORRELATION


def test_blank_images_have_exact_duplicates_only():
    blank = [np.full((48, 48), value, np.uint8) for value in (0, 0, 1, 128, 129)]
    assert [blank_check(image) for image in blank] == ['black'] * 3 + ['flat'] * 2
    assert blank_check(pattern(0)) is None
    groups = groups_of(blank)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4


@pytest.fixture(scope='module')
def planted(tmp_path_factory):
    """Return fer2013.csv and votes with duplicates of all kinds."""
    validation = [(label, pattern(100 + k), 'PublicTest') for k, label in enumerate(EMOTIONS)]
    rows = [
        ('fear', validation[0][1], 'Training'),  # 0: exact duplicate of anger in validation (10)
        ('anger', compressed(validation[1][1]), 'Training'),  # 1: near duplicate of 11
        ('fear', pattern(1), 'Training'),  # 2 and 3: exact duplicates with one label
        ('fear', pattern(1), 'Training'),
        ('sadness', pattern(2), 'Training'),  # 4 and 5: exact duplicates with two labels
        ('neutral', pattern(2), 'Training'),
        ('neutral', np.zeros((48, 48), np.uint8), 'Training'),  # 6
        ('neutral', pattern(3), 'Training'),  # 7 and 8: near duplicates with two labels
        ('surprise', shifted(pattern(3), 1), 'Training'),
        ('anger', pattern(4), 'Training'),  # 9: no duplicate
        *validation,  # 10 to 16
        *((label, pattern(20 + k), 'Training') for k, label in enumerate(EMOTIONS)),
    ]
    return write_fer2013(tmp_path_factory.mktemp('planted'), rows)


def test_findings_duplicates_and_checks(planted, tmp_path):
    summary = build(read_fer2013(*planted), tmp_path / 'data')
    manifest = {int(row['row']): row for row in read_rows(tmp_path / 'data' / 'manifest.csv')}
    assert {number: row['checks'] for number, row in manifest.items() if row['checks']} == {
        0: 'exact duplicate in validation;exact duplicates disagree',
        1: 'near duplicate in validation;near duplicates disagree',
        2: 'exact duplicate in train',
        3: 'exact duplicate in train',
        4: 'exact duplicate in train;exact duplicates disagree',
        5: 'exact duplicate in train;exact duplicates disagree',
        6: 'black',
        7: 'near duplicate in train;near duplicates disagree',
        8: 'near duplicate in train;near duplicates disagree',
        10: 'exact duplicate in train;exact duplicates disagree',
        11: 'near duplicate in train;near duplicates disagree',
    }
    assert summary.findings == {
        'black': '1',
        'exact duplicates': '3 groups, 6 images; 2 groups disagree in their label',
        'near duplicates': '2 groups, 4 images; 2 groups disagree in their label',
        'validation images with a duplicate in train': '1 exact, 2 exact or near, of 7',
    }
    rows = read_rows(tmp_path / 'data' / 'duplicates.csv')
    assert [
        ' '.join(row[k] for k in ('group', 'row', 'kind', 'labels', 'splits')) for row in rows
    ] == [
        '0 0 exact disagree train validation',
        '0 10 exact disagree train validation',
        '1 1 near disagree train validation',
        '1 11 near disagree train validation',
        '2 2 exact agree train',
        '2 3 exact agree train',
        '3 4 exact disagree train',
        '3 5 exact disagree train',
        '4 7 near disagree train',
        '4 8 near disagree train',
    ]
    assert all(row['path'] == manifest[int(row['row'])]['path'] for row in rows)


def test_leak_free_leaves_out_training_images_only(planted, tmp_path):
    summary = build(read_fer2013(*planted), tmp_path / 'data', leak_free=True)
    rows = {int(row['row']): row for row in read_rows(tmp_path / 'data' / 'manifest.csv')}
    assert set(range(24)) - set(rows) == {0, 1}
    assert summary.counts.sum().to_dict() == {'train': 15, 'validation': 7}
    assert not any('in validation' in row['checks'] for row in rows.values())
    assert rows[10]['checks'] == ''
    first, second = read_rows(tmp_path / 'data' / 'left_out.csv')
    assert first == {
        'source': 'fer2013.csv',
        'row': '0',
        'split': 'train',
        'label': 'fear',
        'reason': 'exact duplicate in validation: row 10 of the source (fer2013.csv)',
    }
    assert (second['row'], second['label']) == ('1', 'anger')
    assert second['reason'].startswith('near duplicate in validation: row 11')
    assert 'left out: exact duplicate in validation' in summary.text()


def test_validation_share_ignores_the_order_and_keeps_groups_together():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            'sha256': [f'{value:08x}' for value in rng.permutation(400)],
            'label': [EMOTIONS[k % 7] for k in range(400)],
            'group': [*range(7), *range(7), *range(14, 400)],  # seven pairs of duplicates
            'person': '',
        }
    )
    chosen = choose_validation(table, 0.2)
    assert (chosen[7:14] == chosen[0:7]).all()
    counts = Counter(table.label[chosen])
    assert all(11 <= counts[label] <= 12 for label in EMOTIONS)
    order = rng.permutation(400)
    assert np.array_equal(choose_validation(table.iloc[order], 0.2), chosen[order])


def test_validation_share_of_a_class_of_two():
    table = pd.DataFrame({'sha256': ['a', 'b'], 'label': ['fear'] * 2, 'group': [0, 1]})
    table['person'] = ''
    assert choose_validation(table, 0.01).sum() == 1


@pytest.mark.slow
def test_known_duplicates_of_fer2013(shared):
    rows = read_rows(shared / 'fer2013' / 'rows.csv')
    images = photographs(shared, len(rows))
    digests = [pixel_hash(image) for image in images]
    table = pd.DataFrame(
        {
            'sha256': digests,
            'group': np.unique(digests, return_inverse=True)[1],
            'split': ['train' if row['usage'] == 'Training' else 'validation' for row in rows],
            'label': [row['emotion'] for row in rows],
        }
    )
    leaked = duplicate_findings(table)['validation images with a duplicate in train']
    assert leaked == '280 exact, 280 exact or near, of 3589'
    assert sum(blank_check(image) == 'black' for image in images) == 12
