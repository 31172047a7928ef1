# SPDX-License-Identifier: Apache-2.0
"""Building from folders of images, in common layouts and with common faults."""

import re
import shutil
import unicodedata
from collections import Counter

import cv2
import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training import cli
from emotion_training.data import dataset, label_names
from emotion_training.data.folders import find_images, read_images
from emotion_training.data.label_names import LabelNames
from support.avif_boxes import avif_file, box
from support.drawn_faces import draw_face, read_rows

NAMES = ('Angry', 'disgusted', 'fear', 'happy', 'neutral', 'Sad', 'surprise')


def draw_folder(folder, each, seed, suffix='.png', names=NAMES):
    """Write `each` drawn faces into a folder of each class."""
    rng = np.random.default_rng(seed)
    for label, name in zip(EMOTIONS, names, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            cv2.imwrite(str(folder / name / f'{index}{suffix}'), draw_face(label, rng))
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


def test_an_avif_image_is_oriented(source, tmp_path):
    face = draw_face('happiness', np.random.default_rng(5))
    large = cv2.cvtColor(cv2.resize(face, (120, 100)), cv2.COLOR_GRAY2BGR)
    file = avif_file(large, [box(b'irot', b'\3')])
    (source / 'train' / 'happy' / 'large.avif').write_bytes(file)
    assert build(source, tmp_path / 'data') == 0
    rows = read_rows(tmp_path / 'data' / 'manifest.csv')
    row = next(row for row in rows if row['source'].endswith('large.avif'))
    assert 'resized from 100x120' in row['checks']
    written = cv2.imread(str(tmp_path / 'data' / row['path']), cv2.IMREAD_UNCHANGED)
    turned = cv2.rotate(large[..., 0], cv2.ROTATE_90_CLOCKWISE)
    expected = cv2.resize(turned, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(written.astype(int) - expected).mean() < 4


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
        ('train/contempt', "{source}/train/contempt: unknown expression 'contempt'"),
        ('masks', '{source}/masks is next to'),
    ],
)
def test_unknown_folders_can_be_ignored(source, tmp_path, capsys, folder, message):
    (source / folder).mkdir()
    assert build(source, tmp_path / 'data') == 2
    assert message.format(source=source) in last_line(capsys)
    assert build(source, tmp_path / 'data', '--ignore', folder.split('/')[-1]) == 0


def empty_a_class(train):
    for path in (train / 'Sad').iterdir():
        path.unlink()


def keep_one_class(train):
    for path in train.iterdir():
        if path.name != 'happy':
            shutil.rmtree(path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (empty_a_class, '{train}/Sad is empty: no image of sadness'),
        (keep_one_class, 'train has no image of anger, disgust, fear, neutral'),
    ],
)
def test_missing_classes(source, tmp_path, capsys, change, message):
    change(source / 'train')
    assert build(source, tmp_path / 'data') == 2
    assert message.format(train=source / 'train') in last_line(capsys)


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


def test_class_folders_alone_need_a_validation_share(tmp_path, capsys):
    source = draw_folder(tmp_path / 'images', 10, 1)
    assert build(source, tmp_path / 'data') == 2
    assert '--validation-share 0.1' in last_line(capsys)
    assert build(source, tmp_path / 'data', '--validation-share', '0.1') == 0
    validation = dataset.load(tmp_path / 'data', 'validation')
    assert set(validation.labels) == set(range(7))


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
    # drawn faces are often near duplicates, which stay together
    assert 7 <= counts['validation'] <= 28 if share == '0.34' else counts['validation'] == 0


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
    (source / 'train' / '7').mkdir()
    assert build(source, tmp_path / 'more', '--codes', 'affectnet') == 2
    assert '7 stands for contempt in --codes affectnet; `--ignore 7`' in last_line(capsys)


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


@pytest.mark.parametrize('suffix', ['.bmp', '.tiff', '.webp', '.png'])
def test_other_formats_and_transparency(tmp_path, suffix):
    source = draw_folder(tmp_path / 'images' / 'train', 1, 1)
    gray = cv2.imread(str(source / 'fear' / '0.png'), 0)
    (source / 'fear' / '0.png').unlink()
    image = gray if suffix == '.tiff' else cv2.cvtColor(gray, cv2.COLOR_GRAY2BGRA)
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == '.webp' else []
    cv2.imwrite(str(source / 'fear' / f'0{suffix}'), image, options)
    read = [item for item in read_images(source, find_images(source)) if item.label == 'fear']
    assert np.abs(read[0].image.astype(int) - gray).max() <= 1


def test_an_exif_orientation_is_followed(tmp_path):
    source = draw_folder(tmp_path / 'images' / 'train', 1, 1)
    path = source / 'fear' / '0.png'
    gray = cv2.imread(str(path), 0)
    path.unlink()
    plain = cv2.imencode('.jpg', np.rot90(gray), [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    # orientation 6: to be turned clockwise by 90 degrees
    entry = b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00'
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01' + entry + bytes(4)
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    path.with_suffix('.jpg').write_bytes(plain[:2] + segment + plain[2:])
    read = [item for item in read_images(source, find_images(source)) if item.label == 'fear']
    assert np.abs(read[0].image.astype(int) - gray).mean() < 3


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
