"""Parameters accepted and refused, from another process and from files."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from emotion_perception.ros.parameters import PARAMETERS

CONFIG = Path(__file__).parents[2] / 'config' / 'emotion_perception.yaml'


@pytest.fixture
def node(start, peer):
    """Return a node that is up."""
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    return node


def test_every_parameter_is_described(node, peer):
    found = peer.describe([spec.name for spec in PARAMETERS])
    assert [descriptor.name for descriptor in found] == [spec.name for spec in PARAMETERS]
    for descriptor, spec in zip(found, PARAMETERS, strict=True):
        assert descriptor.description.startswith(spec.description)
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [spec.bounds] if spec.bounds else []
        )


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('uncertain_below', 2.0, 'range'),
        ('uncertain_below', -0.1, 'range'),
        ('uncertain_below', float('nan'), 'range'),
        ('min_face_px', 0, 'range'),
        ('smoothing_s', 'long', 'type'),
        ('detector', 'sharp eyes', 'one of blazeface, yunet, haar'),
        ('image_transport', 'theora', 'one of raw, compressed'),
        ('model', 'other.tflite', 'takes effect on configure'),
        ('threads', 2, 'takes effect on configure'),
        ('opencv_threads', 2, 'takes effect on configure'),
        ('opencv_threads', 0, 'range'),
        ('detect_every', 0, 'range'),
        ('detect_every', 31, 'range'),
    ],
)
def test_refuses_with_a_reason(node, peer, name, value, reason):
    accepted, said = peer.set_parameter(name, value)
    assert not accepted
    assert reason in said


def test_thresholds_change_while_images_flow(node, peer, portrait_message):
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert peer.set_parameter('uncertain_below', 1.0) == (True, '')
    assert peer.set_parameter('hysteresis', 0.0) == (True, '')
    face = peer.answer_to(portrait_message).faces[0]
    assert face.label == 'uncertain'
    assert 0.9 < face.confidence < 1.0
    assert peer.set_parameter('uncertain_below', 0.5) == (True, '')
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert peer.set_parameter('min_face_px', 400) == (True, '')
    assert list(peer.answer_to(portrait_message).faces) == []


def test_others_change_once_the_node_is_cleaned_up(node, peer):
    assert peer.transition('deactivate')
    assert not peer.set_parameter('threads', 2)[0]
    assert peer.transition('cleanup')
    assert peer.set_parameter('threads', 2) == (True, '')
    assert peer.transition('configure')


@pytest.mark.parametrize(('name', 'threads'), [('threads', 1), ('opencv_threads', 3)])
def test_threads_of_opencv_are_their_own_parameter(name, threads):
    code = (
        'import cv2, rclpy, sys\n'
        'from emotion_perception.ros.emotion_node import EmotionNode\n'
        'rclpy.init(args=sys.argv)\n'
        'node = EmotionNode()\n'
        'node.trigger_configure()\n'
        'print(cv2.getNumThreads())\n'
        'node.destroy_node()\n'
        'rclpy.shutdown()\n'
    )
    command = [sys.executable, '-c', code, '--ros-args', '-p', f'{name}:=3']
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1:] == [str(threads)], done.stderr


def test_the_parameter_file_holds_every_default(start, peer):
    start('ros.emotion_node', '--ros-args', '--params-file', str(CONFIG), '-p', 'autostart:=true')
    peer.wait_for_node()
    given = yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters']
    assert given == {spec.name: spec.default for spec in PARAMETERS if spec.name != 'autostart'}


def test_an_impossible_value_at_the_start_is_one_clear_line(tmp_path):
    command = [
        sys.executable,
        '-m',
        'emotion_perception.ros.emotion_node',
        '--ros-args',
        '-p',
        'uncertain_below:=9.0',
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'uncertain_below' in done.stderr.splitlines()[-1]
