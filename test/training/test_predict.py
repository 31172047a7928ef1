"""`emotion-training predict`: pictures, folders, patterns, a camera; what it prints, writes and refuses."""

import csv
import json

import cv2
import numpy as np
import pytest

from emotion_perception.classification import EmotionClassifier
from emotion_perception.emotions import EMOTIONS
from emotion_perception.imaging.codecs import find_images, read_image
from emotion_perception.imaging.sources import capture_frame, portrait_path
from emotion_perception.tracking import TrackingSettings
from emotion_training import cli
from emotion_training.evaluate import prediction
from emotion_training.evaluate.prediction_rows import COLUMNS
from support.drawn_faces import draw_face


@pytest.fixture
def faces(tmp_path):
    """Return a folder with one drawn 48x48 face a class in folders of their own."""
    rng = np.random.default_rng(3)
    for label in EMOTIONS:
        (tmp_path / 'faces' / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'faces' / label / 'face.png'), draw_face(label, rng))
    (tmp_path / 'faces' / 'notes.txt').write_text('not a picture')
    return tmp_path / 'faces'


def run(capsys, *arguments):
    """Return exit code, what was printed and the complaints."""
    code = cli.main(['predict', *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_cropped_faces_are_classified_as_they_are(faces, capsys):
    code, out, _ = run(capsys, '--cropped', '--format', 'csv', faces, '--head', 'fer2013')
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0
    assert tuple(rows[0]) == COLUMNS
    assert [row['source'] for row in rows] == [str(faces / e / 'face.png') for e in EMOTIONS]
    images = np.stack([cv2.imread(row['source'], cv2.IMREAD_GRAYSCALE) for row in rows])
    expected = EmotionClassifier.load(head='fer2013').classify(images)
    found = np.array([[float(row[name]) for name in EMOTIONS] for row in rows])
    assert found == pytest.approx(expected, abs=1e-4)
    threshold = TrackingSettings().uncertain_below
    for row, p in zip(rows, expected, strict=True):
        assert row['label'] == (EMOTIONS[p.argmax()] if p.max() >= threshold else 'uncertain')
        assert row['detection_score'] == ''


def test_a_cropped_face_of_another_size_is_scaled(faces, tmp_path, capsys):
    small = cv2.imread(str(faces / 'happiness' / 'face.png'), cv2.IMREAD_GRAYSCALE)
    large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    cv2.imwrite(str(tmp_path / 'large.png'), large)
    _, out, _ = run(capsys, '--cropped', '--format', 'json', tmp_path / 'large.png')
    found = json.loads(out)[0]
    expected = EmotionClassifier.load().classify(small[None])[0]
    assert list(found['probabilities'].values()) == pytest.approx(expected, abs=1e-4)
    assert found['box'] == [0, 0, 192, 192]


def test_the_label_is_uncertain_below_a_threshold(faces, capsys):
    for threshold, expected in (('0', set(EMOTIONS)), ('1', {'uncertain'})):
        _, out, _ = run(capsys, '--cropped', '--format', 'json', '--uncertain-below', threshold, faces)  # fmt: skip
        assert {row['label'] for row in json.loads(out)} <= expected


def test_faces_are_found_in_whole_pictures(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'empty.png'), np.full((200, 300, 3), 128, np.uint8))
    files = portrait_path(), tmp_path / 'empty.png'
    code, out, _ = run(capsys, *files, '--format', 'json')
    face, nobody = json.loads(out)
    assert code == 0
    assert (face['face'], face['label']) == (1, 'happiness')
    x, y, w, h = face['box']
    assert 190 < x + w / 2 < 290
    assert 60 < y + h / 2 < 160
    assert nobody == {'source': str(files[1]), 'face': 0, 'label': None, 'confidence': None}
    code, out, _ = run(capsys, *files)
    assert out.splitlines()[0].startswith(f'{files[0]}  happiness   happiness ')
    assert out.splitlines()[1] == f'{files[1]}  no face'


def test_one_picture_of_a_camera(capsys):
    code, out, _ = run(capsys, '--camera', 'portrait', '--format', 'csv')
    row = next(csv.DictReader(out.splitlines()))
    assert code == 0
    assert (row['source'], row['label']) == ('camera portrait', 'happiness')
    code, _, err = run(capsys, '--camera', '99')
    assert code == 2
    assert 'camera or video 99 cannot be opened' in err


def test_a_video_shorter_than_the_warm_up(tmp_path):
    path = tmp_path / 'short.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for gray in (50, 200):
        writer.write(np.full((48, 64, 3), gray, np.uint8))
    writer.release()
    assert capture_frame(str(path)).mean() == pytest.approx(200, abs=3)


def test_what_cannot_be_read_is_named_and_skipped(faces, tmp_path, capsys):
    text, cut, none = (tmp_path / name for name in ('text.jpg', 'cut.png', 'none.png'))
    text.write_text('not a picture')
    cut.write_bytes((faces / 'fear' / 'face.png').read_bytes()[:-40])
    (tmp_path / 'nothing').mkdir()
    pattern = tmp_path / '*.webp'
    good = faces / 'fear' / 'face.png'
    code, out, err = run(
        capsys, '--cropped', '--format', 'json', text, cut, none, tmp_path / 'nothing', pattern, good
    )  # fmt: skip
    assert code == 1
    assert [row['source'] for row in json.loads(out)] == [str(good)]
    for path, reason in (
        (text, "not an image: it starts with b'not a picture'"),
        (cut, 'the png image is cut short'),
        (none, 'No such file or directory'),
        (tmp_path / 'nothing', 'a folder without images'),
        (pattern, 'No such file or directory'),
    ):
        assert f'{path}: {reason}' in err


def test_nothing_at_all_is_a_mistake(capsys):
    code, _, err = run(capsys)
    assert code == 2
    assert 'name files, folders or patterns, or --camera' in err


def test_no_readable_picture_is_still_json(tmp_path, capsys):
    code, out, _ = run(capsys, tmp_path / 'none.png', '--format', 'json')
    assert (code, json.loads(out)) == (1, [])


def test_files_folders_and_patterns(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everything = [faces / e / 'face.png' for e in EMOTIONS]
    assert find_images([str(faces)]) == everything
    assert find_images([f'{faces}/*/face.png']) == everything
    assert find_images(['faces/**/f*.png'])[0].as_posix() == 'faces/anger/face.png'
    assert find_images([f'{faces}/[fh]*']) == [everything[2], everything[3]]
    assert find_images([str(everything[3]), str(faces)]) == [
        everything[3], *everything[:3], *everything[4:],
    ]  # fmt: skip
    odd = tmp_path / 'odd[1].png'
    odd.write_bytes(everything[0].read_bytes())
    assert find_images([str(odd)]) == [odd]
    assert find_images([str(faces / 'notes.txt')]) == [faces / 'notes.txt']


def test_a_picture_is_turned_as_its_camera_was_held(portrait, tmp_path):
    turned = cv2.rotate(portrait, cv2.ROTATE_90_COUNTERCLOCKWISE)[:, :400]
    jpeg = cv2.imencode('.jpg', turned)[1].tobytes()
    # one entry of the first directory: tag 0x112 (orientation), type short, one value, 6
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    path = tmp_path / 'phone.jpg'
    path.write_bytes(jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:])
    upright = read_image(path)
    assert upright.shape == (400, 512, 3)
    assert np.abs(upright.astype(int) - portrait[:400]).mean() < 4


def test_nothing_is_written_unless_asked(faces, tmp_path, capsys, monkeypatch):
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    assert run(capsys, '--cropped', faces)[0] == 0
    assert not list((tmp_path / 'here').iterdir())
    code, out, _ = run(capsys, '--cropped', faces, '--out', 'a/b.csv', '--format', 'csv', '--annotate', 'c')  # fmt: skip
    assert (code, out) == (0, '')
    files = sorted(str(p.relative_to(tmp_path / 'here')) for p in (tmp_path / 'here').rglob('*.*'))
    # seven pictures of one name get seven names
    assert files == ['a/b.csv', *sorted(['c/face.png', *(f'c/face-{n}.png' for n in range(2, 8))])]
    assert len((tmp_path / 'here/a/b.csv').read_text().splitlines()) == 8
    assert cv2.imread('c/face-7.png').shape == (240, 240, 3)
    assert run(capsys, '--cropped', faces, '--annotate', 'c')[0] == 0
    assert len(list((tmp_path / 'here/c').iterdir())) == 7


def test_an_annotated_picture_shows_the_box(tmp_path, capsys):
    assert run(capsys, portrait_path(), '--annotate', tmp_path / 'out')[0] == 0
    drawn = cv2.imread(str(tmp_path / 'out' / 'astronaut.png'))
    original = cv2.imread(str(portrait_path()))
    changed = (drawn != original).any(2)
    assert drawn.shape == original.shape
    assert 0.01 < changed.mean() < 0.2


def test_ctrl_c_leaves_no_half_file(faces, tmp_path, capsys, monkeypatch):
    read = prediction.rows_of
    calls = []

    def stop(source, found):
        calls.append(source)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(source, found)

    monkeypatch.setattr(prediction, 'rows_of', stop)
    out = tmp_path / 'answers.json'
    assert run(capsys, '--cropped', faces, '--out', out, '--format', 'json')[0] == 130
    assert len(calls) == 3
    assert [p.name for p in tmp_path.iterdir()] == ['faces']


def test_help_names_the_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(['predict', '--help'])
    text = capsys.readouterr().out
    assert all(word in text for word in ('--cropped', '--camera', '--annotate', 'json'))
