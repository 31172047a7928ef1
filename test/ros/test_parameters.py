# SPDX-License-Identifier: Apache-2.0
"""Parameters are described, checked and applied, from another process and from files."""

import math
from pathlib import Path

import cv2
import pytest
import yaml
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter

from emotion_perception.ros.parameters import PARAMETERS, values
from support.in_process import in_process_node

CONFIG = Path(__file__).parents[2] / 'config' / 'emotion_perception.yaml'


def test_every_parameter_is_described(node, peer):
    found = peer.describe_parameters([spec.name for spec in PARAMETERS])
    assert [descriptor.name for descriptor in found] == [spec.name for spec in PARAMETERS]
    for descriptor, spec in zip(found, PARAMETERS, strict=True):
        assert descriptor.description.startswith(spec.description)
        assert all(str(choice) in descriptor.description for choice in spec.choices)
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [spec.bounds] if spec.bounds else []
        )


def test_refuses_with_a_reason(node, peer):
    for name, value, reason in (
        ('uncertain_below', 2.0, 'range'),
        ('uncertain_below', -0.1, 'range'),
        ('min_face_px', 0, 'range'),
        ('smoothing_s', 'long', 'type'),
        ('detector', 'sharp eyes', 'one of blazeface, yunet, haar'),
        ('image_transport', 'theora', 'one of auto, raw, compressed'),
        ('annotated_image', 'some', 'one of full, blurred, none'),
        ('annotated_image', 'none', 'takes effect on configure'),
        ('model', 'other.tflite', 'takes effect on configure'),
        ('autostart', True, 'takes effect on start only'),
        ('threads', 2, 'takes effect on configure'),
        ('opencv_threads', 2, 'takes effect on configure'),
        ('opencv_threads', 0, 'range'),
        ('detect_every', 31, 'range'),
        ('rotate', 45, 'one of 0, 90, 180, 270'),
        ('rotate', 90, 'takes effect on configure'),
        ('time_budget', -0.5, 'range'),
        ('search_width', 640, 'takes effect on configure'),
        ('', 1.0, ''),
        ('no\nsuch parameter', math.nan, ''),
    ):
        accepted, text = peer.set_parameter(name, value)
        assert not accepted, (name, value)
        assert reason in text, (name, value)


def test_refuses_whatever_is_no_such_number(node, peer):
    """NaN, infinities, values far outside and other types."""
    other_types = ('nan', [1.0], [1], True, [b'\0'], '', 'x' * 10**5)
    wrong = {
        float: (math.nan, math.inf, -math.inf, 1e308, -1e308, -5e-324, *other_types),
        int: (2**63 - 1, -(2**63), 0, -1, *other_types),
    }
    for spec in PARAMETERS:
        for value in wrong.get(type(spec.default), ()):
            accepted, reason = peer.set_parameter(spec.name, value)
            assert not accepted, (spec.name, value)
            assert reason


def test_thresholds_change_while_images_flow(node, peer, portrait_message):
    assert peer.process(portrait_message).faces[0].label == 'happiness'
    assert peer.set_parameters(uncertain_below=1.0, hysteresis=0.0) == [(True, '')] * 2
    face = peer.process(portrait_message).faces[0]
    assert face.label == 'uncertain'
    assert 0.9 < face.confidence < 1.0
    assert peer.set_parameter('uncertain_below', 0.5) == (True, '')
    assert peer.process(portrait_message).faces[0].label == 'happiness'
    assert peer.set_parameter('min_face_px', 400) == (True, '')
    assert list(peer.process(portrait_message).faces) == []


def test_others_change_once_the_node_is_cleaned_up(node, peer):
    assert peer.transition('deactivate')
    assert not peer.set_parameter('threads', 2)[0]
    assert peer.transition('cleanup')
    assert peer.set_parameter('threads', 2) == (True, '')
    assert peer.transition('configure')


@pytest.mark.parametrize(('name', 'threads'), [('threads', 1), ('opencv_threads', 3)])
def test_opencv_has_its_own_threads(name, threads):
    before = cv2.getNumThreads()
    with in_process_node(parameter_overrides=[Parameter(name, value=3)]) as node:
        node.trigger_configure()
        assert cv2.getNumThreads() == threads
    cv2.setNumThreads(before)


def test_the_parameter_file_holds_every_default():
    given = yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters']
    assert given == {spec.name: spec.default for spec in PARAMETERS if spec.name != 'autostart'}
    arguments = ['--ros-args', '--params-file', str(CONFIG)]
    with in_process_node(cli_args=arguments) as node:
        assert {name: node.get_parameter(name).value for name in given} == given


def test_whole_numbers_are_real_numbers():
    """As YAML and `-p smoothing_s:=0` give them."""
    arguments = ['--ros-args', '-p', 'smoothing_s:=0', '-p', 'uncertain_below:=1']
    with in_process_node(cli_args=arguments) as node:
        node.trigger_configure()
        assert values(node)['smoothing_s'] == 0
        assert isinstance(values(node)['uncertain_below'], float)
        (result,) = node.set_parameters([Parameter('max_gap_s', value=2)])
        assert result.successful
        assert values(node)['max_gap_s'] == 2
        (result,) = node.set_parameters([Parameter('max_gap_s', value=200)])
        assert not result.successful
        assert 'out of range' in result.reason


def test_a_node_that_cannot_start_leaves_the_graph(peer):
    """Other tests would find it in place of their own node."""
    with (
        pytest.raises(InvalidParameterValueException),
        in_process_node(cli_args=['--ros-args', '-p', 'rotate:=45']),
    ):
        pass
    peer.spin(1)
    assert 'emotion_perception' not in peer.node.get_node_names()
