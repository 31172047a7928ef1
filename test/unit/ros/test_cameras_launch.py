# SPDX-License-Identifier: Apache-2.0
"""`cameras.launch.py` with a stand-in for launch, which is on no registry."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

ROOT = Path(__file__).parents[3]
LAUNCH = ('', '.actions', '.launch_description_sources', '.substitutions')
KNOWN = {'image_topic', 'rotate', 'autostart'}


@pytest.fixture
def read_cameras(monkeypatch):
    """Return the function of the launch file, with a stand-in for launch."""
    for name in LAUNCH:
        monkeypatch.setitem(sys.modules, f'launch{name}', MagicMock())
    return runpy.run_path(str(ROOT / 'launch' / 'cameras.launch.py'))['read_cameras']


def test_the_example(read_cameras):
    assert read_cameras(str(ROOT / 'config' / 'cameras.yaml'), KNOWN) == {
        'front': {'image_topic': '/front/image_raw'},
        'rear': {'image_topic': '/rear/image_raw', 'rotate': '180'},
    }


def test_each_camera_gets_a_node_of_its_own(read_cameras):
    """The node's launch file, in a scope of its own, with what the yaml file gives."""
    launch = {name: sys.modules[f'launch{name}'] for name in LAUNCH}
    source = launch['.launch_description_sources'].PythonLaunchDescriptionSource.return_value
    description = source.get_launch_description.return_value
    description.get_launch_arguments.return_value = [SimpleNamespace(name=name) for name in KNOWN]
    configuration = launch['.substitutions'].LaunchConfiguration.return_value
    configuration.perform.return_value = str(ROOT / 'config' / 'cameras.yaml')
    module = runpy.run_path(str(ROOT / 'launch' / 'cameras.launch.py'))
    assert len(module['include_nodes'](None)) == 2
    included = launch['.actions'].IncludeLaunchDescription.call_args_list
    assert [dict(call.kwargs['launch_arguments']) for call in included] == [
        {'namespace': 'front', 'image_topic': '/front/image_raw'},
        {'namespace': 'rear', 'image_topic': '/rear/image_raw', 'rotate': '180'},
    ]
    assert launch['.actions'].GroupAction.call_count == 2


def test_booleans_are_written_as_launch_reads_them(read_cameras, tmp_path):
    (tmp_path / 'c.yaml').write_text('a: {image_topic: /a, autostart: false}')
    assert read_cameras(str(tmp_path / 'c.yaml'), KNOWN)['a']['autostart'] == 'false'


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'lists no cameras'),
        ('- front', 'lists no cameras'),
        ('front:', 'the camera front has no image_topic'),
        ('front: {topic: /a}', 'the camera front has no image_topic'),
        ('front: {image_topic: /a, turn: 90}', 'the camera front has turn; known are autostart'),
    ],
)
def test_what_is_no_list_of_cameras(read_cameras, tmp_path, text, reason):
    (tmp_path / 'c.yaml').write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_cameras(str(tmp_path / 'c.yaml'), KNOWN)
