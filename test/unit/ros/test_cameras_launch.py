# SPDX-License-Identifier: Apache-2.0
"""The yaml file of `cameras.launch.py`; launch itself is on no registry and is not run here."""

import runpy
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

ROOT = Path(__file__).parents[3]
KNOWN = {'image_topic', 'rotate', 'autostart'}


@pytest.fixture
def read_cameras(monkeypatch):
    """Return the function of the launch file, with a stand-in for launch."""
    for name in ('', '.actions', '.launch_description_sources', '.substitutions'):
        monkeypatch.setitem(sys.modules, f'launch{name}', MagicMock())
    return runpy.run_path(str(ROOT / 'launch' / 'cameras.launch.py'))['read_cameras']


def test_the_example(read_cameras):
    assert read_cameras(str(ROOT / 'config' / 'cameras.yaml'), KNOWN) == {
        'front': {'image_topic': '/front/image_raw'},
        'rear': {'image_topic': '/rear/image_raw', 'rotate': '180'},
    }


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
