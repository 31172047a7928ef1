# SPDX-License-Identifier: Apache-2.0
"""Building from folders of images, in common layouts and with common faults."""

import contextlib
import re
import shutil
import unicodedata
from collections import Counter
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image

from emotion_perception.emotions import EMOTIONS
from emotion_training import cli
from emotion_training.data import dataset, label_names
from emotion_training.data.fer2013 import Sample
from emotion_training.data.folders import find_images, read_images
from emotion_training.data.label_names import LabelNames
from support.drawn_faces import draw_face, draw_laboratory_face, read_rows

NAMES = ('Angry', 'disgusted', 'fear', 'happy', 'neutral', 'Sad', 'surprise')


def draw_folder(folder, each, seed, suffix='.png', names=NAMES):
    """Write `each` drawn faces into a folder of each class."""
    rng = np.random.default_rng(seed)
    for label, name in zip(EMOTIONS, names, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            face = draw_laboratory_face(label, 100 * seed + index, rng)
            cv2.imwrite(str(folder / name / f'{index}{suffix}'), face)
    return folder


@pytest.fixture
def source(tmp_path):
    """Return a folder with train/ and test/ of drawn faces."""
    draw_folder(tmp_path / 'images' / 'train', 3, 1)
    draw_folder(tmp_path / 'images' / 'Validation', 2, 2)
    return tmp_path / 'images'


def build(source, out, *options):
    return cli.main(['build', str(source), '--out', str(out), *options])


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


def test_splits_and_class_names_are_recognized(source, tmp_path):
    assert build(source, tmp_path / 'data') == 0
    train = dataset.load(tmp_path / 'data', 'train')
    assert [(train.labels == k).sum() for k in range(7)] == [3] * 7
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    assert len(rows) == 35
    for row in rows:
        original = cv2.imread(str(source / row['source']), cv2.IMREAD_UNCHANGED)
        written = cv2.imread(str(tmp_path / 'data' / row['path']), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(original, written)
        assert EMOTIONS[NAMES.index(row['source'].split('/')[1])] == row['label']
        assert row['path'].startswith(f'{row["split"]}/{row["label"]}/')


@pytest.mark.parametrize(
    ('folder', 'usage'),
    [('train', 'Training'), ('val', 'PublicTest'), ('valid', 'PublicTest'),
     ('PublicTest', 'PublicTest'), ('TEST', 'PrivateTest')],
)  # fmt: skip
def test_names_of_splits(tmp_path, folder, usage):
    draw_folder(tmp_path / 'archive' / folder, 1, 1)
    found = find_images(tmp_path)
    assert {file.usage for file in found} == {usage}
    assert [file.label for file in sorted(found, key=lambda f: f.label)] == list(EMOTIONS)


def test_color_and_size_are_noted(source, tmp_path):
    face = draw_face('happiness', np.random.default_rng(5))
    large = cv2.applyColorMap(cv2.resize(face, (120, 100)), cv2.COLORMAP_BONE)
    cv2.imwrite(str(source / 'train' / 'happy' / 'large.jpg'), large)
    assert build(source, tmp_path / 'data') == 0
    row = next(
        r
        for r in read_rows(tmp_path / 'data' / 'manifest.csv')
        if r['source'].endswith('large.jpg')
    )
    assert row['checks'].split(';')[:2] == ['from color', 'resized from 120x100']
    written = cv2.imread(str(tmp_path / 'data' / row['path']), cv2.IMREAD_UNCHANGED)
    assert written.shape == (48, 48)
    expected = cv2.cvtColor(large, cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(expected, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(written.astype(int) - expected).mean() < 4  # what jpeg lost


def test_damaged_images_and_odd_names_are_one_line_each(source, tmp_path, capfd):
    """OpenCV, libjpeg and a file's name wrote lines of their own."""
    face = draw_face('happiness', np.random.default_rng(5))
    for suffix in ('.jpg', '.bmp', '.tiff'):
        blob = cv2.imencode(suffix, face)[1].tobytes()
        (source / 'train' / 'happy' / f'cut{suffix}').write_bytes(blob[:-500])
    assert build(source, tmp_path / 'data') == 0
    lines = [line for line in re.split(r'[\r\n]+', capfd.readouterr().err) if line]
    assert {line.split(':')[0] for line in lines} == {'read', 'hash', 'compare', 'write'}
    (source / 'train' / 'happy' / '0.png').rename(source / 'train' / 'happy' / 'image\udce9.png')
    assert build(source, tmp_path / 'named') == 0
    rows = read_rows(tmp_path / 'named' / 'manifest.csv')
    assert 'train/happy/image\\udce9.png' in [row['source'] for row in rows]
    capfd.readouterr()
    left_out = read_rows(tmp_path / 'data' / 'left_out.csv')
    assert [row['reason'].split(':')[0] for row in left_out] == [
        'image damaged',
        'image cut short',
        'image damaged',
    ]
    assert build(tmp_path / 'no\r\nsuch\x1b[2J', tmp_path / 'other') == 2
    assert capfd.readouterr().err == (
        f'emotion-training build: {tmp_path}/no\\r\\nsuch\\x1b[2J does not exist\n'
    )


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'a Git LFS pointer'),
        (b'<!DOCTYPE html><html></html>', 'a web page'),
        (b'', 'an empty file'),
        (b'notes', 'not an image'),
        (None, 'image cut short'),
    ],
)
def test_unreadable_files_are_left_out_and_listed(source, tmp_path, capsys, content, reason):
    broken = source / 'train' / 'fear' / '1.png'
    broken.write_bytes(broken.read_bytes()[:-40] if content is None else content)
    assert build(source, tmp_path / 'data') == 0
    (row,) = read_rows(tmp_path / 'data' / 'left_out.csv')
    assert (row['source'], row['split'], row['label']) == ('train/fear/1.png', 'train', 'fear')
    assert row['reason'].startswith(reason)
    assert f'left out: {reason}' in capsys.readouterr().out
    assert len(dataset.load(tmp_path / 'data', 'train')) == 20


def test_a_class_of_pointers_alone_stops(source, tmp_path, capsys):
    for path in (source / 'train' / 'fear').iterdir():
        path.write_text('version https://git-lfs.github.com/spec/v1\n')
    assert build(source, tmp_path / 'data') == 2
    error = last_line(capsys)
    assert f'{source}: train has no image of fear; train/fear/0.png is left out' in error
    assert 'run `git lfs pull`' in error
    assert not list(tmp_path.glob('data*'))


def test_files_of_file_managers_are_ignored(source):
    count = len(find_images(source))
    for name in ('.DS_Store', 'Thumbs.db', 'desktop.ini', '._0.png'):
        (source / 'train' / 'fear' / name).write_text('x')
    (source / '__MACOSX').mkdir()
    assert len(find_images(source)) == count


@pytest.mark.parametrize(
    ('folder', 'message'),
    [
        ('train/boredom', "{source}/train/boredom: unknown expression 'boredom'"),
        ('masks', '{source}/masks is next to'),
    ],
)
def test_unknown_folders_can_be_ignored(source, tmp_path, capsys, folder, message):
    (source / folder).mkdir()
    assert build(source, tmp_path / 'data') == 2
    assert message.format(source=source) in last_line(capsys)
    assert build(source, tmp_path / 'data', '--ignore', folder.split('/')[-1]) == 0


def test_classes_of_other_datasets(tmp_path, capsys):
    """CK+ has contempt and no neutral faces; others number and misspell their folders."""
    names = ('0_Angry', '1-disgusted', 'fearful', 'Joy', 'calm', 'Sad (2)', 'Suprise')
    source = draw_folder(tmp_path / 'images', 6, 1, names=names)  # codespell:ignore
    shutil.rmtree(source / 'calm')
    (source / 'neutral').mkdir()
    shutil.copytree(source / 'Joy', source / 'Contempt')
    options = '--validation-share', '0.3'
    assert build(source, tmp_path / 'data', *options) == 0
    out = capsys.readouterr().out
    assert 'class Suprise is surprise: 6 images\n' in out  # codespell:ignore
    assert re.search(r'train has no image of +neutral', out)
    assert re.search(r'left out: contempt is none of the seven +6', out)
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    assert {row['source'].split('/')[0]: row['label'] for row in rows} == {
        name: label for name, label in zip(names, EMOTIONS, strict=True) if label != 'neutral'
    }
    assert {row['split'] for row in rows} == {'train', 'validation'}


JAFFE = {'AN': 'anger', 'DI': 'disgust', 'FE': 'fear', 'HA': 'happiness', 'NE': 'neutral'}


def test_persons_and_labels_in_the_names_of_files(tmp_path, capsys):
    rng = np.random.default_rng(1)
    (tmp_path / 'jaffe').mkdir()
    for number, person in enumerate(('KA', 'KL', 'KM', 'KR', 'MK')):
        for code, label in JAFFE.items():
            face = draw_laboratory_face(label, number, rng)
            cv2.imwrite(str(tmp_path / 'jaffe' / f'{person}.{code}1.{number}.tiff'), face)
    (tmp_path / 'jaffe' / 'README').write_text('Please cite')
    options = ['--validation-share', '0.2', '--pattern']
    pattern = r'(?P<person>\w\w)\.(?P<label>\w\w)\d'
    assert build(tmp_path / 'jaffe', tmp_path / 'none', *options[:2]) == 2
    assert 'if the names of the files say the class, give a --pattern' in last_line(capsys)
    assert build(tmp_path / 'jaffe', tmp_path / 'data', *options, pattern) == 0
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    assert len(rows) == 25
    for row in rows:
        assert row['label'] == JAFFE[row['source'][3:5]]
    together = {(row['source'][:2], row['group']) for row in rows}
    assert len(together) == len({person for person, _ in together}) == 5
    in_validation = [row['source'][:2] for row in rows if row['split'] == 'validation']
    assert (len(in_validation), len(set(in_validation))) == (5, 1)
    (left_out,) = read_rows(tmp_path / 'data' / 'left_out.csv')
    assert (left_out['source'], left_out['reason']) == ('README', 'no label in the name')
    for bad in ('(', 'no group', '(?P<age>.)'):
        with pytest.raises(SystemExit, match='2'):
            build(tmp_path / 'jaffe', tmp_path / 'none', *options, bad)
    assert build(tmp_path / 'jaffe', tmp_path / 'none', *options, '(?P<label>READ)') == 2
    assert "README: unknown expression 'read'" in last_line(capsys)


@pytest.mark.parametrize('options', [(), ('--validation-share', '0.1')])
@pytest.mark.parametrize('files', [0, 1])
def test_a_folder_without_classes(tmp_path, capsys, files, options):
    (tmp_path / 'images').mkdir()
    for number in range(files):
        cv2.imwrite(str(tmp_path / 'images' / f'{number}.png'), np.zeros((48, 48), np.uint8))
    assert build(tmp_path / 'images', tmp_path / 'data', *options) == 2
    expected = f'{tmp_path / "images"} contains no folders named after classes'
    assert expected in last_line(capsys)


@pytest.mark.parametrize(
    ('out', 'options', 'message'),
    [
        ('data', ('--votes', 'fer2013new.csv'), '--votes requires fer2013.csv'),
        ('images/data', (), 'is inside {source}'),
        ('data', ('--validation-share', '0.2'), 'has its own validation split; omit'),
    ],
)
def test_options_that_do_not_fit(source, tmp_path, capsys, out, options, message):
    assert build(source, tmp_path / out, *options) == 2
    assert message.format(source=source) in last_line(capsys)


def test_a_missing_source_and_an_invalid_share(source, tmp_path, capsys):
    assert build(tmp_path / 'none', tmp_path / 'data') == 2
    assert f'{tmp_path / "none"} does not exist' in last_line(capsys)
    with pytest.raises(SystemExit):
        build(source, tmp_path / 'data', '--validation-share', '20')


@pytest.mark.parametrize('share', ['0.34', '0'])
def test_train_and_test_without_validation(tmp_path, capsys, share):
    """As Kaggle packs FER2013: a part of train becomes validation, test stays as it is."""
    draw_folder(tmp_path / 'images' / 'train', 6, 1)
    source = draw_folder(tmp_path / 'images' / 'test', 2, 2).parent
    assert build(source, tmp_path / 'data') == 2
    assert 'has no validation split, which training needs; say how much' in last_line(capsys)
    assert build(source, tmp_path / 'data', '--validation-share', share) == 0
    counts = Counter(row['split'] for row in read_rows(tmp_path / 'data' / 'manifest.csv'))
    assert (counts['test'], counts['train'] + counts['validation']) == (14, 42)
    assert counts['validation'] == (14 if share == '0.34' else 0)


AFFECTNET = ('6', '5', '4', '1', '0', '2', '3')
"""Names of the folders of EMOTIONS in AffectNet."""


def numbered(tmp_path, names=AFFECTNET):
    """Return a folder with classes that are named by numbers."""
    draw_folder(tmp_path / 'images' / 'train', 3, 1, names=names)
    return draw_folder(tmp_path / 'images' / 'val', 1, 2, names=names).parent


def test_numbers_need_the_name_of_their_dataset(tmp_path, capsys):
    source = numbered(tmp_path)
    assert build(source, tmp_path / 'data') == 2
    assert '0 is a number, which datasets use differently: give --codes' in last_line(capsys)
    assert build(source, tmp_path / 'data', '--codes', 'affectnet', '--trust-codes') == 0
    out = capsys.readouterr().out
    assert 'class 6 is anger: 4 images\n' in out
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    for row in rows:
        assert row['label'] == EMOTIONS[AFFECTNET.index(row['source'].split('/')[1])]
    (source / 'train' / '8').mkdir()
    assert build(source, tmp_path / 'more', '--codes', 'affectnet') == 2
    assert '8 stands for nothing in --codes affectnet; `--ignore 8`' in last_line(capsys)


def test_the_choices_of_codes_are_the_known_numberings(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        build(tmp_path, tmp_path / 'data', '--codes', 'none')
    error = capsys.readouterr().err
    listed = re.findall(r'\w+', error.partition('choose from')[2])
    assert listed == list(label_names.NUMBERINGS)


def test_faces_that_contradict_the_numbers(tmp_path, capsys, monkeypatch):
    """The packaged model, here one that knows the drawn faces, sees another numbering in them."""
    source = numbered(tmp_path)
    known = {}
    for file in find_images(source, names=LabelNames('affectnet')):
        known[cv2.imread(str(file.path), 0).tobytes()] = EMOTIONS.index(file.label)

    class Model:
        def classify(self, faces):
            return np.eye(7)[[known[face.tobytes()] for face in faces]]

    monkeypatch.setattr(label_names.EmotionClassifier, 'load', lambda: Model())
    assert build(source, tmp_path / 'wrong', '--codes', 'fer2013') == 2
    message = last_line(capsys)
    assert 'the faces contradict --codes fer2013: the packaged model sees 0% of' in message
    assert 'and 100% as in --codes affectnet; --trust-codes' in message
    assert not (tmp_path / 'wrong').exists()
    assert build(source, tmp_path / 'data', '--codes', 'affectnet') == 0
    assert build(source, tmp_path / 'wrong', '--codes', 'fer2013', '--trust-codes') == 0


FRENCH = ('Colère', 'dégoût', 'PEUR', 'joie', 'neutre', 'tristesse', 'surprise')


def test_class_names_of_another_language(tmp_path, capsys):
    source = draw_folder(tmp_path / 'images', 6, 1, names=FRENCH)
    options = ('--validation-share', '0.2', '--classes', str(tmp_path / 'names.csv'))
    rows = [f'{name.upper()},{label}' for name, label in zip(FRENCH, EMOTIONS, strict=True)]
    (tmp_path / 'names.csv').write_text('\n'.join(rows))
    assert build(source, tmp_path / 'data', *options) == 0
    for row in read_rows(tmp_path / 'data' / 'manifest.csv'):
        assert row['label'] == EMOTIONS[FRENCH.index(row['source'].split('/')[0])]
    # as Excel saves it, and letters and accents apart, as in archives made on macOS
    text = unicodedata.normalize('NFD', '\r\n'.join(rows).replace(',', ';'))
    (tmp_path / 'names.csv').write_text(text, 'utf-8-sig')
    assert build(source, tmp_path / 'again', *options) == 0
    for content, message in (
        (b'joie', 'line 1: expected NAME,EXPRESSION'),
        (b'joie,plaisir', "line 1: unknown expression 'plaisir'"),
        ('dégoût,disgust'.encode('latin-1'), 'names.csv is not UTF-8; save it so'),
    ):
        (tmp_path / 'names.csv').write_bytes(content)
        assert build(source, tmp_path / 'none', *options) == 2
        assert message in last_line(capsys)


FORMATS = (
    'bmp', 'dds', 'gif', 'ico', 'jp2', 'pcx', 'pgm', 'png', 'sgi', 'tga', 'tiff', 'webp',
    'tiff group4', 'tiff packbits', 'tiff tiff_deflate', 'tiff tiff_lzw',
)  # fmt: skip


def test_every_format_and_kind_of_pixels_is_read(tmp_path):
    gray = draw_face('fear', np.random.default_rng(1))
    deep = {'I;16': (gray * 257.0).astype(np.uint16), 'F': (gray / 255.0).astype(np.float32)}
    expected = {}
    (tmp_path / 'fear').mkdir()
    for kind, mode in product(FORMATS, ('L', 'P', 'RGBA', 'LA', 'CMYK', '1', *deep)):
        if mode in deep and kind not in ('jp2', 'pgm', 'png', 'tiff'):
            continue
        pixels = deep.get(
            mode, np.where(gray > 127, 255, 0).astype(np.uint8) if mode == '1' else gray
        )
        image = Image.fromarray(pixels)
        suffix, _, compression = kind.partition(' ')
        name = f'{compression}-{mode}.{suffix}'
        # Pillow does not write each kind of pixels in each format
        with contextlib.suppress(KeyError, OSError, ValueError):
            image = image if mode in deep else image.convert(mode, dither=0)
            image.save(tmp_path / 'fear' / name, lossless=True, compression=compression or None)
            expected[name] = pixels
    files = find_images(tmp_path)
    read = {
        file.path.name: item
        for file, item in zip(files, read_images(tmp_path, files), strict=True)
    }
    wrong = [name for name, pixels in expected.items() if not alike(read[name], pixels)]
    assert wrong == []
    assert len(expected) > 70


def alike(item, pixels):
    return (
        isinstance(item, Sample) and np.corrcoef(item.image.ravel(), pixels.ravel())[0, 1] > 0.99
    )


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch, capsys):
    source = draw_folder(tmp_path / 'images' / 'train', 1, 1).parent

    def refuse(self):
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr('pathlib.Path.iterdir', refuse)
    assert build(source, tmp_path / 'data') == 2
    assert f'{source} cannot be read: Permission denied' in last_line(capsys)


def test_gray_images_are_not_changed(tmp_path):
    ramp = np.arange(48 * 48, dtype=np.int64).reshape(48, 48).astype(np.uint8)
    (tmp_path / 'fear').mkdir()
    for name, image in (('gray', ramp), ('color', cv2.merge((ramp, ramp, ramp)))):
        cv2.imwrite(str(tmp_path / 'fear' / f'{name}.png'), image)
    for sample in read_images(tmp_path, find_images(tmp_path)):
        assert np.array_equal(sample.image, ramp)
        assert sample.checks == ()


def test_a_share_of_test_images_alone(tmp_path, capsys):
    source = draw_folder(tmp_path / 'images' / 'test', 2, 2).parent
    assert build(source, tmp_path / 'data', '--validation-share', '0.2') == 2
    assert 'has no training images for --validation-share' in last_line(capsys)


def test_one_person_cannot_be_validated_apart(tmp_path, capsys):
    source = draw_folder(tmp_path / 'images', 3, 1)
    options = ('--validation-share', '0.2', '--pattern', r'(?P<person>png)$')
    assert build(source, tmp_path / 'data', *options) == 2
    error = last_line(capsys)
    assert 'all 21 images in train are of one person, or duplicates of one another' in error
    assert '--validation-share 0' in error
    assert not (tmp_path / 'data').exists()


def test_duplicates_alone_leave_validation_without_classes(tmp_path, capsys):
    """One face of each expression, photographed six times: they cannot be in both splits."""
    for k, label in enumerate(EMOTIONS):
        (tmp_path / 'images' / label).mkdir(parents=True)
        face = draw_laboratory_face(label, 100 + k, np.random.default_rng(k)).astype(int)
        for copy in range(6):
            image = np.clip(face + 2 * copy, 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / 'images' / label / f'{copy}.png'), image)
    assert build(tmp_path / 'images', tmp_path / 'data', '--validation-share', '0.2') == 2
    error = last_line(capsys)
    assert 'validation has no image of' in error
    assert 'duplicates and images of one person stay in one split' in error
