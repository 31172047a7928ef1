"""Building from folders of images, in the layouts and with the faults that people have."""

import csv
import shutil

import cv2
import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training import cli
from emotion_training.data import dataset
from emotion_training.data.fer2013 import DatasetError
from emotion_training.data.folders import find_images, read_images
from support.drawn_faces import draw_face

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


def table(path):
    with path.open(newline='') as stream:
        return list(csv.DictReader(stream))


def test_splits_and_class_names_are_recognized(source, tmp_path):
    assert build(source, tmp_path / 'data') == 0
    train = dataset.load(tmp_path / 'data', 'train')
    assert [(train.labels == k).sum() for k in range(7)] == [3] * 7
    rows = table(tmp_path / 'data' / 'manifest.csv')
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
        r for r in table(tmp_path / 'data' / 'manifest.csv') if r['source'].endswith('large.jpg')
    )
    assert row['checks'].split(';')[:2] == ['from color', 'resized from 120x100']
    written = cv2.imread(str(tmp_path / 'data' / row['path']), cv2.IMREAD_UNCHANGED)
    assert written.shape == (48, 48)
    expected = cv2.cvtColor(large, cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(expected, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(written.astype(int) - expected).mean() < 4  # what jpeg lost


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'a Git LFS pointer'),
        (b'<!DOCTYPE html><html></html>', 'a web page'),
        (b'', 'an empty file'),
        (b'notes', 'neither jpeg nor png'),
        (None, 'image cut short'),
    ],
)
def test_what_is_no_image_is_left_out_and_listed(source, tmp_path, capsys, content, reason):
    victim = source / 'train' / 'fear' / '1.png'
    victim.write_bytes(victim.read_bytes()[:-40] if content is None else content)
    assert build(source, tmp_path / 'data') == 0
    (row,) = table(tmp_path / 'data' / 'left_out.csv')
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


def test_litter_of_the_file_manager_is_passed_over(source):
    count = len(find_images(source))
    for name in ('.DS_Store', 'Thumbs.db', 'desktop.ini', '._0.png'):
        (source / 'train' / 'fear' / name).write_text('x')
    (source / '__MACOSX').mkdir()
    assert len(find_images(source)) == count


def test_an_unknown_class(source, tmp_path, capsys):
    (source / 'train' / 'contempt').mkdir()
    assert build(source, tmp_path / 'data') == 2
    assert f"{source / 'train' / 'contempt'}: unknown expression 'contempt'" in last_line(capsys)
    assert build(source, tmp_path / 'data', '--ignore', 'contempt') == 0


def test_a_folder_beside_the_splits(source, tmp_path, capsys):
    (source / 'masks').mkdir()
    assert build(source, tmp_path / 'data') == 2
    assert f'{source / "masks"} stands beside' in last_line(capsys)


def test_an_empty_class(source, tmp_path, capsys):
    for path in (source / 'train' / 'Sad').iterdir():
        path.unlink()
    assert build(source, tmp_path / 'data') == 2
    assert f'{source / "train" / "Sad"} is empty: no image of sadness' in last_line(capsys)


def test_one_class_only(source, tmp_path, capsys):
    for path in (source / 'train').iterdir():
        if path.name != 'happy':
            shutil.rmtree(path)
    assert build(source, tmp_path / 'data') == 2
    assert 'train has no image of anger, disgust, fear, neutral' in last_line(capsys)


@pytest.mark.parametrize('options', [(), ('--validation-share', '0.1')])
def test_an_empty_folder(tmp_path, capsys, options):
    (tmp_path / 'images').mkdir()
    assert build(tmp_path / 'images', tmp_path / 'data', *options) == 2
    assert f'{tmp_path / "images"} holds no folders named after classes' in last_line(capsys)


def test_a_folder_of_pictures_without_classes(tmp_path, capsys):
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / '0.png'), np.zeros((48, 48), np.uint8))
    assert build(tmp_path / 'images', tmp_path / 'data', '--validation-share', '0.1') == 2
    assert f'{tmp_path / "images"} holds no folders named after classes' in last_line(capsys)


def test_options_that_do_not_fit(source, tmp_path, capsys):
    assert build(source, tmp_path / 'data', '--votes', 'fer2013new.csv') == 2
    assert '--votes belongs to fer2013.csv' in last_line(capsys)
    assert build(source, source / 'data') == 2
    assert f'lies inside {source}' in last_line(capsys)
    assert build(source, tmp_path / 'data', '--validation-share', '0.2') == 2
    assert 'has its own train and validation; leave --validation-share away' in last_line(capsys)
    with pytest.raises(SystemExit):
        build(source, tmp_path / 'data', '--validation-share', '20')


def test_one_folder_of_classes_needs_a_share(tmp_path, capsys):
    source = draw_folder(tmp_path / 'images', 10, 1)
    assert build(source, tmp_path / 'data') == 2
    assert '--validation-share 0.1' in last_line(capsys)


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch, capsys):
    source = draw_folder(tmp_path / 'images' / 'train', 1, 1).parent

    def refuse(self):
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr('pathlib.Path.iterdir', refuse)
    assert build(source, tmp_path / 'data') == 2
    assert f'{source} cannot be read: Permission denied' in last_line(capsys)


def test_a_gray_picture_comes_through_unchanged(tmp_path):
    ramp = np.arange(48 * 48, dtype=np.int64).reshape(48, 48).astype(np.uint8)
    (tmp_path / 'fear').mkdir()
    for name, image in (('gray', ramp), ('color', cv2.merge((ramp, ramp, ramp)))):
        cv2.imwrite(str(tmp_path / 'fear' / f'{name}.png'), image)
    for sample in read_images(tmp_path, find_images(tmp_path)):
        assert np.array_equal(sample.image, ramp)
        assert sample.checks == ()


def test_errors_of_find_images_are_of_one_kind(tmp_path):
    with pytest.raises(DatasetError):
        find_images(tmp_path)
