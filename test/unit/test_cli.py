# SPDX-License-Identifier: Apache-2.0
"""The command line without ROS: what it prints, writes and refuses."""

import csv
import json
import math
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection import DETECTORS
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import one_line
from emotion_perception.head_pose import HeadPoseEstimator
from emotion_perception.imaging import sources
from emotion_perception.imaging.codecs import read_image
from emotion_perception.imaging.sources import MovingImageSource, portrait_path
from emotion_perception.pipeline import Pipeline
from emotion_perception.runtime.metadata import HEADS, read_metadata
from emotion_perception.tracking import TrackingSettings
from emotion_perception.types import HeadPose
from emotion_perception.visualization import annotate
from support.drawn_faces import draw_face
from support.films import write_avi, write_film


@pytest.fixture
def run(capsys):
    """Run the command; return its exit code, output and errors."""

    def run_command(*arguments):
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run_command


@pytest.fixture
def crops(tmp_path):
    """Return a folder with one drawn 48x48 face per expression, each in a folder of its own."""
    rng = np.random.default_rng(3)
    for label in EMOTIONS:
        (tmp_path / 'crops' / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'crops' / label / 'face.png'), draw_face(label, rng))
    (tmp_path / 'crops' / 'notes.txt').write_text('not an image')
    return tmp_path / 'crops'


def test_an_image_as_text_and_as_json(run):
    code, out, _ = run('image', portrait_path())
    assert code == 0
    found = re.fullmatch(r'(\S+)  happiness +([\d.]+)%  (\d+)x(\d+) at (\d+),(\d+)\n', out)
    assert found[1] == str(portrait_path())
    assert float(found[2]) > 80
    assert 90 < int(found[3]) < 140
    code, out, _ = run('image', '--json', portrait_path())
    face = json.loads(out)
    assert code == 0
    assert face['label'] == 'happiness'
    assert list(face['probabilities']) == list(EMOTIONS)
    assert sum(face['probabilities'].values()) == pytest.approx(1, abs=0.001)
    assert face['box'] == [int(number) for number in (found[5], found[6], found[3], found[4])]
    assert 'face_id' not in face
    assert (face['head_yaw'], face['head_pitch']) == pytest.approx((0, 0), abs=0.1)
    assert (face['eyes_open'], face['looking_at_camera']) == (1, 1)


def test_arrows_on_annotated_images_follow_the_rotation(run, tmp_path, monkeypatch):
    to_the_left = HeadPose(math.radians(60), 0.0, 0.0, 1.0, 0.0)
    monkeypatch.setattr(HeadPoseEstimator, 'read', lambda *_, **__: to_the_left)
    lying = cv2.rotate(cv2.imread(str(portrait_path())), cv2.ROTATE_90_COUNTERCLOCKWISE)
    cv2.imwrite(str(tmp_path / 'lying.png'), lying)
    code, _, _ = run('image', tmp_path / 'lying.png', '--rotate', 90, '--out', tmp_path / 'out')
    faces = Pipeline.default(tracking=False, rotate=90).process(lying)
    written = cv2.imread(str(tmp_path / 'out' / 'lying.png'))
    assert (code, len(faces)) == (0, 1)
    assert np.array_equal(written, annotate(lying, faces, 90))
    assert not np.array_equal(written, annotate(lying, faces))


def test_files_that_cannot_be_read_are_named_and_left_out(run, crops, tmp_path):
    wall, text, cut = (tmp_path / name for name in ('wall.png', 'text.jpg', 'cut.png'))
    cv2.imwrite(str(wall), np.full((100, 100, 3), 90, np.uint8))
    text.write_text('not an image')
    cut.write_bytes((crops / 'fear' / 'face.png').read_bytes()[:-40])
    (tmp_path / 'empty').mkdir()
    files = [text, cut, tmp_path / 'none.png', tmp_path / 'empty', tmp_path / '*.webp', wall]
    code, out, error = run('image', *files)
    assert (code, out) == (1, f'{wall}  no face\n')
    *lines, total = error.splitlines()
    assert total == '5 of 6 images could not be read'
    assert [line.split(': ')[0] for line in lines] == [str(file) for file in files[:-1]]
    assert 'starts with' in lines[0]
    assert 'is cut short' in lines[1]
    assert 'No such file or directory' in lines[2]


def test_an_image_without_a_face_in_json(run, tmp_path):
    wall = tmp_path / 'a\nwall.png'
    cv2.imwrite(str(wall), np.full((100, 100, 3), 90, np.uint8))
    code, out, _ = run('image', '--json', wall)
    assert (code, json.loads(out)) == (0, {'source': str(wall), 'label': None})
    code, out, error = run('image', wall, tmp_path / 'no\r\x1b[2J.png')
    assert (code, out) == (1, f'{tmp_path}/a\\nwall.png  no face\n')
    missing, total = error.splitlines()
    assert missing == f'{tmp_path}/no\\r\\x1b[2J.png: No such file or directory'
    assert total == '1 of 2 images could not be read'


def test_names_that_are_not_utf_8(run, tmp_path):
    """OpenCV crashed on them."""
    image, film, out = (tmp_path / f'image\udce9{name}' for name in ('.jpg', '.mkv', ''))
    wall = np.full((100, 100, 3), 90, np.uint8)
    image.write_bytes(cv2.imencode('.jpg', wall)[1].tobytes())
    table, escaped = tmp_path / 'table.csv', f'{tmp_path}/image\\udce9'
    code, printed, _ = run('image', image, '--csv', table, '--out', out)
    assert (code, printed) == (0, f'{escaped}.jpg  no face\n')
    assert os.fsencode(image) in table.read_bytes()
    assert np.array_equal(read_image(out / 'image\udce9.png'), read_image(image))
    write_film(tmp_path / 'film.mkv', [wall], [0])
    target = tmp_path / 'image\udce9.mp4'
    code, _, error = run('video', tmp_path / 'film.mkv', '--out', target)
    assert (code, target.exists()) == (2, False)
    assert f'{one_line(target.name)} cannot be written: its name is not UTF-8' in error
    (tmp_path / 'film.mkv').rename(film)
    code, _, error = run('video', film)
    expected = f'{escaped}.mkv cannot be opened: its name is not UTF-8; rename it'
    assert (code, error) == (2, f'emotion-perception video: {expected}\n')
    code, _, error = run('image', image, '--detector', 'yunet', '--detector-model', film)
    expected = f'yunet: the name of {escaped}.mkv is not UTF-8; rename it'
    assert (code, error) == (2, f'emotion-perception image: {expected}\n')


def test_an_order_of_labels_that_is_none(run, capsys):
    with pytest.raises(SystemExit, match='2'):
        run('image', '--labels', 'happy,sad', portrait_path())
    assert 'must be each of anger, disgust, fear' in capsys.readouterr().err


def test_crops_are_classified_without_detection(run, crops, tmp_path):
    table = tmp_path / 'new' / 'table.csv'
    code, out, _ = run('image', '--crops', crops, '--head', 'fer2013', '--csv', table)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert (code, len(out.splitlines())) == (0, 7)
    assert tuple(rows[0]) == cli.CSV_COLUMNS
    assert [row['source'] for row in rows] == [str(crops / e / 'face.png') for e in EMOTIONS]
    images = np.stack([cv2.imread(row['source'], cv2.IMREAD_GRAYSCALE) for row in rows])
    expected = EmotionClassifier.load(head='fer2013').classify(images)
    found = np.array([[float(row[name]) for name in EMOTIONS] for row in rows])
    assert found == pytest.approx(expected, abs=1e-4)
    threshold = TrackingSettings().uncertain_below
    for row, p in zip(rows, expected, strict=True):
        assert row['label'] == (EMOTIONS[p.argmax()] if p.max() >= threshold else 'uncertain')
        assert (row['face'], row['width'], row['detection_score']) == ('1', '48', '')


def test_crops_of_another_size_are_scaled(run, crops, tmp_path):
    small = cv2.imread(str(crops / 'happiness' / 'face.png'), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tmp_path / 'large.png'), small.repeat(4, axis=0).repeat(4, axis=1))
    face = json.loads(run('image', '--crops', '--json', tmp_path / 'large.png')[1])
    expected = EmotionClassifier.load().classify(small[None])[0]
    assert list(face['probabilities'].values()) == pytest.approx(expected, abs=1e-4)
    assert (face['box'], face['detection_score']) == ([0, 0, 192, 192], None)


def test_a_table_is_written_whole_and_replaced_on_request(run, tmp_path, monkeypatch):
    wall, table = tmp_path / 'wall.png', tmp_path / 'table.csv'
    cv2.imwrite(str(wall), np.full((100, 100, 3), 90, np.uint8))
    table.write_text('old')
    code, _, error = run('image', wall, '--csv', table)
    assert (code, table.read_text()) == (2, 'old')
    assert 'table.csv exists already; choose another name, or replace it with --force' in error
    assert run('image', wall, portrait_path(), '--csv', table, '--force')[0] == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row['face'], row['label']) for row in rows] == [('0', ''), ('1', 'happiness')]
    before = table.read_text()
    monkeypatch.setattr(
        'builtins.print', lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert run('image', wall, '--csv', table, '--force')[0] == 130
    assert table.read_text() == before
    assert sorted(tmp_path.iterdir()) == [table, wall]


def test_annotated_copies_are_written_on_request(run, tmp_path, crops, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run('image', portrait_path())
    assert [path.name for path in tmp_path.iterdir()] == ['crops']
    run('image', portrait_path(), '--out', 'out')
    copy, original = cv2.imread('out/astronaut.png'), cv2.imread(str(portrait_path()))
    assert copy.shape == original.shape
    assert 0.02 < (copy != original).any(axis=-1).mean() < 0.4
    # seven files of one name get seven names
    assert run('image', '--crops', crops, '--out', 'faces')[0] == 0
    names = sorted(path.name for path in (tmp_path / 'faces').iterdir())
    assert names == ['face.png', *(f'face_{n}.png' for n in range(2, 8))]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['d/a.png', '--out', 'd'], 'd/a.png is an input; choose another place'),
        (['d/b.jpg', 'd/b.png', '--out', 'd'], 'd/b.png is an input'),
        (['d/a.png', '--out', 'link'], 'link/a.png is an input'),
        (
            ['d', '--out', 'd/out'],
            'd/out/a.png lies in the input folder d; choose a place',
        ),
        (['d', '--out', 'd'], 'd/a.png is an input'),
        (['d/b.jpg', '--csv', 'd/b.jpg'], 'd/b.jpg is an input'),
        (['d/a.png', '--out', 'file'], 'file'),
    ],
)
@pytest.mark.parametrize('force', [[], ['--force']])
def test_image_outputs_never_replace_an_input(
    run, tmp_path, monkeypatch, arguments, message, force
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'd').mkdir()
    (tmp_path / 'link').symlink_to('d')
    (tmp_path / 'file').write_text('kept')
    for name in ('a.png', 'b.jpg', 'b.png'):
        cv2.imwrite(f'd/{name}', np.full((60, 60, 3), 90, np.uint8))
    before = {path: path.read_bytes() for path in (tmp_path / 'd').iterdir()}
    code, _, error = run('image', *arguments, *force)
    assert code == 2
    assert message in error
    assert {path: path.read_bytes() for path in (tmp_path / 'd').iterdir()} == before
    assert (tmp_path / 'file').read_text() == 'kept'


def test_an_annotated_copy_is_replaced_on_request_only(run, tmp_path):
    source, copy = tmp_path / 'a.jpg', tmp_path / 'out' / 'a.png'
    cv2.imwrite(str(source), np.full((60, 60, 3), 90, np.uint8))
    assert run('image', source, '--out', copy.parent)[0] == 0
    copy.write_text('mine')
    code, _, error = run('image', source, '--out', copy.parent)
    assert (code, copy.read_text()) == (2, 'mine')
    assert 'a.png exists already; choose another name, or replace it with --force' in error
    assert run('image', source, '--out', copy.parent, '--force')[0] == 0
    assert cv2.imread(str(copy)).shape == (60, 60, 3)
    assert list(copy.parent.iterdir()) == [copy]


def test_a_video(run, tmp_path):
    source = MovingImageSource(cv2.imread(str(portrait_path())), (320, 240))
    write_avi(tmp_path / 'clip.avi', [source.read() for _ in range(12)], 10)
    annotated = tmp_path / 'annotated.mp4'
    code, out, _ = run('video', tmp_path / 'clip.avi', '--every', 5, '--out', annotated)
    assert code == 0
    lines = out.splitlines()
    assert [float(line.split(' s')[0]) for line in lines] == [0.0, 0.5, 1.0]
    assert all('face 1 ' in line and 'happiness' in line for line in lines)
    assert cv2.VideoCapture(str(annotated)).get(cv2.CAP_PROP_FRAME_COUNT) == 12


def test_a_film_with_an_address_is_never_replaced(run, tmp_path):
    film = tmp_path / 'a film.mp4'
    write_film(film, [np.full((48, 64, 3), 90, np.uint8)] * 5, range(0, 500, 100))
    before = film.read_bytes()
    for address in (film.as_uri(), f'file://{film}', f'FILE://localhost{film}'):
        code, _, error = run('video', address, '--out', film, '--force')
        assert (code, film.read_bytes()) == (2, before)
        assert 'a film.mp4 is an input; choose another place' in error


@pytest.mark.parametrize('out', ['film.mkv', 'link.mkv', 'other.mkv', 'other.mp4'])
def test_a_film_is_never_replaced(run, tmp_path, out):
    """A film given as its own output lost all but three of its frames."""
    frames = [np.full((48, 64, 3), 90, np.uint8)] * 5
    write_film(tmp_path / 'film.mkv', frames, range(0, 500, 100))
    (tmp_path / 'link.mkv').symlink_to('film.mkv')
    (tmp_path / 'other.mkv').write_text('kept')
    (tmp_path / 'other.mp4').symlink_to('other.mkv')
    before = (tmp_path / 'film.mkv').read_bytes()
    code, _, error = run('video', tmp_path / 'film.mkv', '--out', tmp_path / out)
    assert code == 2
    assert f'{out} {"exists already" if "other" in out else "is an input"}' in error
    assert (tmp_path / 'film.mkv').read_bytes() == before
    assert (tmp_path / 'other.mkv').read_text() == 'kept'
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize('source', ['frames/f%d.jpg', 'frames'])
def test_a_frame_of_a_film_is_never_replaced(run, tmp_path, monkeypatch, source):
    """A frame that a pattern names was replaced with --force."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'frames').mkdir()
    for number in (1, 2):
        cv2.imwrite(f'frames/f{number}.jpg', np.full((60, 60, 3), 90, np.uint8))
    before = {path: path.read_bytes() for path in (tmp_path / 'frames').iterdir()}
    for option in ([], ['--force']):
        code, _, error = run('video', source, '--out', 'frames/f1.jpg', *option)
        assert code == 2
        assert 'frames/f1.jpg is an input; choose another place' in error
    assert {path: path.read_bytes() for path in (tmp_path / 'frames').iterdir()} == before


def test_an_irregular_film_keeps_its_times(run, tmp_path, portrait):
    frame = cv2.resize(portrait, (256, 256))
    write_film(tmp_path / 'film.mkv', [frame] * 4, [0, 100, 300, 4000])
    out = tmp_path / 'out.mp4'
    code, printed, _ = run('video', tmp_path / 'film.mkv', '--out', out, '--max-gap', '5')
    assert code == 0
    lines = printed.splitlines()
    assert [float(line.split(' s')[0]) for line in lines] == [0.0, 0.1, 0.3, 4.0]
    assert all('face 1 ' in line for line in lines)
    copy = cv2.VideoCapture(str(out))
    duration_s = copy.get(cv2.CAP_PROP_FRAME_COUNT) / copy.get(cv2.CAP_PROP_FPS)
    assert duration_s == pytest.approx(4, abs=0.05)
    printed = run('video', tmp_path / 'film.mkv')[1].splitlines()
    assert 'face 2 ' in printed[-1]


def test_the_libraries_of_image_and_video_files_print_nothing(tmp_path, portrait, capfd):
    """Half a jpeg was announced by libjpeg, half a bmp by OpenCV and half a film by FFmpeg."""
    inputs = {}
    for suffix in ('jpg', 'bmp', 'tiff', 'webp'):
        blob = cv2.imencode(f'.{suffix}', portrait)[1].tobytes()
        inputs[f'cut.{suffix}'] = blob[: len(blob) // 2]
    progressive = cv2.imencode('.jpg', portrait, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    whole = cv2.imencode('.jpg', portrait)[1].tobytes()
    inputs |= {'cut_progressive.jpg': progressive[:-3], 'cut.mjpeg': whole[:-500] * 2}
    for name, contents in inputs.items():
        (tmp_path / name).write_bytes(contents)
    images = [str(tmp_path / name) for name in inputs if not name.endswith('.mjpeg')]
    assert cli.main(['image', *images]) == 1
    *lines, _ = capfd.readouterr().err.splitlines()
    assert [line.split(': ')[0] for line in lines] == images
    assert all(re.search('is cut short after|is damaged', line) for line in lines)
    assert cli.main(['video', str(tmp_path / 'cut.jpg')]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert 'cut.jpg cannot be read: the jpeg image is cut short after' in line
    cli.main(['video', str(tmp_path / 'cut.mjpeg')])
    assert len(capfd.readouterr().err.splitlines()) <= 1


def test_a_video_that_cannot_be_written_is_one_clear_line(tmp_path, capfd):
    write_film(tmp_path / 'film.mkv', [np.zeros((48, 64, 3), np.uint8)], [0])
    code = cli.main(['video', str(tmp_path / 'film.mkv'), '--out', str(tmp_path / 'out.txt')])
    lines = capfd.readouterr().err.splitlines()
    expected = 'out.txt cannot be written as a video; choose a name that ends in .mp4'
    assert (code, lines) == (2, [f'emotion-perception video: {expected}'])
    assert [path.name for path in tmp_path.iterdir()] == ['film.mkv']


def test_half_a_film_is_not_written_but_a_recording_that_ctrl_c_ends(run, tmp_path, monkeypatch):
    def interrupted_source(live):
        source = MovingImageSource(np.full((48, 64, 3), 90, np.uint8), (64, 48))
        source.live = live

        def read():
            if source.time_s > 0.25:
                raise KeyboardInterrupt
            return MovingImageSource.read(source)

        monkeypatch.setattr(source, 'read', read)
        monkeypatch.setattr(sources, 'open_source', lambda *_, **__: source)

    interrupted_source(live=False)
    monkeypatch.setattr(sources, 'MovingImageSource', type(None))
    out = tmp_path / 'out.mp4'
    assert run('video', 'film.mp4', '--out', out)[0] == 130
    assert list(tmp_path.iterdir()) == []
    interrupted_source(live=True)
    assert run('camera', '0', '--out', out)[0] == 0
    assert cv2.VideoCapture(str(out)).get(cv2.CAP_PROP_FRAME_COUNT) > 1
    assert list(tmp_path.iterdir()) == [out]


def test_ctrl_c_during_an_import(run, monkeypatch):
    """As rclpy reports it."""

    def interrupted(args):
        raise ImportError('the extension is not there') from KeyboardInterrupt()

    monkeypatch.setattr(cli, '_models', interrupted)
    assert run('models') == (130, '', '')


def test_models(run):
    code, out, _ = run('models')
    model = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert code == 0
    assert out.splitlines()[0].startswith(f'{model.name}  {model.parameters} parameters')
    assert model.sha256 in out
    assert '29.8 million multiplications a face' in out.splitlines()[0]
    assert f'{model.scores["FER+ majority"]["accuracy"]:.2%}' in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('video', 'nothing.mp4'), "'nothing.mp4'"),
        (('video', ''), 'the source is empty: name a camera, video or image'),
        (('video', portrait_path()), 'is an image; `emotion-perception image` reads files'),
        (('image', 'a.jpg', '--detector', 'yunet'), 'face_detection_yunet_2023mar.onnx'),
        (('image', 'a.jpg', '--model', 'other.tflite'), 'there is no model file other.tflite'),
    ],
)
def test_bad_input_is_one_clear_line(run, arguments, message):
    code, out, error = run(*arguments)
    assert (code, out) == (2, '')
    (line,) = error.splitlines()
    assert line.startswith(f'emotion-perception {arguments[0]}: ')
    assert message in line


@pytest.mark.parametrize(
    'option', [('--every', '0'), ('--every', 'x'), ('--min-detection-score', '7')]
)
def test_impossible_options_are_refused(capsys, option):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['video', 'clip.mp4', *option])
    assert option[1] in capsys.readouterr().err


def test_choices_are_those_of_the_library():
    assert (cli.DETECTORS, cli.HEADS) == (DETECTORS, HEADS)


def test_help_lists_every_subcommand_without_loading_libraries():
    code = (
        'import sys; heavy = ("numpy", "cv2", "rosbags", "rclpy"); '
        'sys.modules.update(dict.fromkeys(heavy)); import runpy; sys.argv[1:] = ["--help"]; '
        'runpy.run_module("emotion_perception.cli", run_name="__main__")'
    )
    command = [sys.executable, '-c', code]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    for name in ('image', 'video', 'camera', 'bag', 'models', 'doctor'):
        assert f'    {name} ' in out
