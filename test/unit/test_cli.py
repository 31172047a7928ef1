"""The command line without ROS: what it prints, writes and refuses."""

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.emotions import EMOTIONS
from emotion_perception.imaging.sources import MovingImageSource, portrait_path
from emotion_perception.runtime.metadata import read_metadata


def run(capsys, *arguments):
    """Run the command; return its exit code, output and errors."""
    code = cli.main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_a_picture_as_text(capsys):
    code, out, _ = run(capsys, 'image', portrait_path())
    assert code == 0
    found = re.fullmatch(r'(\S+)  happiness +([\d.]+)%  (\d+)x(\d+) at (\d+),(\d+)\n', out)
    assert found[1] == str(portrait_path())
    assert float(found[2]) > 80
    assert 90 < int(found[3]) < 140


def test_a_picture_as_json(capsys):
    code, out, _ = run(capsys, 'image', '--json', portrait_path())
    assert code == 0
    face = json.loads(out)
    assert face['label'] == 'happiness'
    assert list(face['probabilities']) == list(EMOTIONS)
    assert sum(face['probabilities'].values()) == pytest.approx(1, abs=0.001)
    assert 'face_id' not in face


def test_a_picture_is_turned_as_its_camera_held_it(capsys, tmp_path):
    upright = cv2.imread(str(portrait_path()))
    lying = cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE)
    blob = cv2.imencode('.jpg', lying)[1].tobytes()
    # a minimal Exif block that says: turn by 90 degrees clockwise (orientation 6)
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    exif = b'Exif\0\0' + tiff
    block = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    (tmp_path / 'phone.jpg').write_bytes(blob[:2] + block + blob[2:])
    code, out, _ = run(capsys, 'image', '--json', tmp_path / 'phone.jpg')
    assert code == 0
    assert json.loads(out)['label'] == 'happiness'
    _, expected, _ = run(capsys, 'image', '--json', portrait_path())
    assert json.loads(out)['box'] == pytest.approx(json.loads(expected)['box'], abs=4)


def test_a_folder_with_a_damaged_file(capsys, tmp_path):
    cv2.imwrite(str(tmp_path / 'wall.png'), np.full((100, 100, 3), 90, np.uint8))
    (tmp_path / 'torn.jpg').write_bytes(b'\xff\xd8\xff\xdanothing')
    code, out, error = run(capsys, 'image', tmp_path)
    assert code == 1
    assert out == f'{tmp_path / "wall.png"}  no face\n'
    assert error.startswith(f'{tmp_path / "torn.jpg"}: the jpeg image is cut short')


def test_nothing_is_written_unasked_and_a_copy_where_it_is(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(capsys, 'image', portrait_path())
    assert list(tmp_path.iterdir()) == []
    run(capsys, 'image', portrait_path(), '--out', tmp_path / 'out')
    copy = cv2.imread(str(tmp_path / 'out' / 'astronaut.png'))
    original = cv2.imread(str(portrait_path()))
    assert copy.shape == original.shape
    assert 0.02 < (copy != original).any(axis=-1).mean() < 0.4


def test_a_copy_never_replaces_a_picture_or_another_copy(capsys, tmp_path):
    for name in ('a/same.png', 'b/same.png'):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.full((60, 60, 3), 90, np.uint8))
    before = (tmp_path / 'a/same.png').read_bytes()
    code, _, error = run(capsys, 'image', tmp_path / 'a', '--out', tmp_path / 'a')
    assert code == 2
    assert 'is the picture itself; choose another folder' in error
    assert (tmp_path / 'a/same.png').read_bytes() == before
    code, _, _ = run(capsys, 'image', tmp_path / 'a', tmp_path / 'b', '--out', tmp_path / 'out')
    assert code == 0
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['same.png', 'same_2.png']
    (tmp_path / 'file').write_text('')
    assert run(capsys, 'image', tmp_path / 'b', '--out', tmp_path / 'file')[0] == 2


@pytest.mark.parametrize(
    'option', [('--every', '0'), ('--every', 'x'), ('--min-detection-score', '7')]
)
def test_impossible_options_are_refused(capsys, option):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['video', 'clip.mp4', *option])
    assert option[1] in capsys.readouterr().err


@pytest.fixture
def clip(tmp_path):
    """Return the path of a short video of the portrait."""
    path = tmp_path / 'clip.avi'
    source = MovingImageSource(cv2.imread(str(portrait_path())), (320, 240))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (320, 240))
    for _ in range(12):
        writer.write(source.read())
    writer.release()
    return path


def test_a_video(capsys, clip, tmp_path):
    code, out, _ = run(capsys, 'video', clip, '--every', 5, '--out', tmp_path / 'seen.mp4')
    assert code == 0
    lines = out.splitlines()
    assert [float(line.split(' s')[0]) for line in lines] == [0.0, 0.5, 1.0]
    assert all('face 1 ' in line and 'happiness' in line for line in lines)
    seen = cv2.VideoCapture(str(tmp_path / 'seen.mp4'))
    assert seen.get(cv2.CAP_PROP_FRAME_COUNT) == 12


def test_models(capsys):
    code, out, _ = run(capsys, 'models')
    model = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert code == 0
    assert out.splitlines()[0].startswith(f'{model.name}  {model.parameters} parameters')
    assert model.sha256 in out
    assert f'{model.scores["FER+ majority"]["accuracy"]:.2%}' in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('video', 'nothing.mp4'), "there is no camera, video or image 'nothing.mp4'"),
        (('video', portrait_path()), 'is a picture; use `emotion-perception image`'),
        (('image', 'a.jpg', '--detector', 'yunet'), 'face_detection_yunet_2023mar.onnx'),
        (('image', 'a.jpg', '--model', 'other.tflite'), 'there is no model file other.tflite'),
    ],
)
def test_bad_input_is_one_clear_line(capsys, arguments, message):
    code, out, error = run(capsys, *arguments)
    assert code == 2
    assert out == ''
    (line,) = [line for line in error.splitlines() if not line.startswith('INFO')]
    assert line.startswith(f'emotion-perception {arguments[0]}: ')
    assert message in line


def test_help_names_every_subcommand():
    command = [sys.executable, '-m', 'emotion_perception.cli', '--help']
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in ('image', 'video', 'camera', 'bag', 'models', 'doctor'):
        assert f'    {name} ' in out
