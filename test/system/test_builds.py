# SPDX-License-Identifier: Apache-2.0
"""Builds with colcon: a workspace with a link to the messages, and the clone by itself."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROBE = (
    'from emotion_msgs.msg import Emotion; from emotion_msgs.srv import ClassifyFaces; '
    'import emotion_perception; '
    'from emotion_perception.classification import EmotionClassifier; '
    'print(emotion_perception.__file__, EmotionClassifier.load().labels[Emotion.HAPPINESS])'
)


def build(folder, *options):
    """Run `colcon build` in a folder, with what ROS 2 wheels need; return the environment."""
    command = ['colcon', 'build', *options, '--cmake-args', '-DBUILD_TESTING=OFF']
    (fix,) = folder.glob('**/bootstrap/ros_wheels.cmake')
    environment = os.environ | dict.fromkeys(
        ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'), sys.prefix
    )
    environment.pop('PYTHONPATH', None)
    done = subprocess.run(
        [*command, f'-DCMAKE_PROJECT_INCLUDE={fix}'],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return environment


def check(folder, environment):
    """Check what was built, from a shell that sources it, outside of the source folder."""
    prefix = folder / 'install' / 'emotion_perception'
    script = (
        f'cd / && . "{folder}/install/setup.bash" && python -c "{PROBE}" && '
        f'ls "{prefix}/lib/emotion_perception"'
    )
    done = subprocess.run(['bash', '-c', script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, *programs = done.stdout.split()
    assert where.startswith(str(folder))
    assert programs[0] == 'happiness'
    assert {'emotion_node', 'camera_node', 'behavior_node', 'emotion-perception'} <= set(programs)
    share = prefix / 'share' / 'emotion_perception'
    for name in (
        'package.xml',
        'launch/emotion_perception.launch.py',
        'launch/demo.launch.py',
        'config/emotion_perception.yaml',
        'config/fastdds_images.xml',
    ):
        assert (share / name).is_file(), name


@pytest.mark.parametrize('options', [(), ('--symlink-install',)], ids=['plain', 'symlink-install'])
def test_workspace_with_a_link_to_the_messages(clone, options):
    workspace = clone.parents[1]
    (clone.parent / 'emotion_msgs').symlink_to('emotion_perception/emotion_msgs')
    check(workspace, build(workspace, *options))


def test_clone_by_itself(clone):
    check(clone, build(clone))
