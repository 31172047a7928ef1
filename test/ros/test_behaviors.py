# SPDX-License-Identifier: Apache-2.0
"""The example behaviors, and `emotion-perception fake` in place of a camera and the node."""

import os

import pytest
from std_msgs.msg import String

from emotion_perception.ros.processes import NodeProcess

HELP = 'Is there something I can do for you?'


@pytest.fixture
def said(peer):
    """Return what is published on `say`."""
    said = []
    peer.node.create_subscription(String, 'say', lambda message: said.append(message.data), 10)
    return said


def play(start, peer, behavior, *script):
    """Start a behavior, wait for it, and play a script to its end."""
    start(behavior)
    # the peer subscribes to `emotion/faces` too
    peer.until(
        lambda: peer.node.count_subscribers('emotion/faces') > 1, 20, f'the node {behavior}'
    )
    fake = start('emotion_perception.cli', 'fake', *script)
    peer.until(lambda: not fake.running, 40, 'the end of the script')
    assert fake.wait(5) == 0
    peer.spin(0.5)


def test_greeter(start, peer, said):
    # the behavior may find the people a second late
    play(start, peer, 'greeter', 'smile@2s', 'leave@5s', '2:appear@3s', '2:leave@6s')
    assert said == ['Hello!', 'Good to see you.', 'Hello!', 'Goodbye!']


def test_comforter(start, peer, said):
    """Person 1 looks sad for long, uncertain in between; person 2 twice, but not for long."""
    play(
        start, peer, 'comforter',
        '1:sad@0.5s', '1:uncertain@2s', '1:sad@3s', '1:leave@6s',
        '2:sad@0.5s', '2:neutral@2s', '2:sad@4s', '2:neutral@5s',
    )  # fmt: skip
    assert said == [HELP]


def test_mirror_without_hri_msgs(tmp_path):
    (tmp_path / 'hri_msgs.py').write_text('raise ImportError("not here")\n')
    path = f'{tmp_path}{os.pathsep}{os.environ["PYTHONPATH"]}'
    mirror = NodeProcess('emotion_perception.ros.mirror', environment={'PYTHONPATH': path})
    assert mirror.wait(20) == 1
    assert mirror.output == 'mirror: not here; install hri_msgs (docs/install.md)\n'
