# SPDX-License-Identifier: Apache-2.0
"""
Nodes in processes of their own.

`node` is one process for the whole session, set up again for each test. `start` starts more
processes for one test, in another ROS domain. `peer` is in the domain of what the test uses.
"""

import os
from pathlib import Path

import cv2
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from emotion_perception.doctor.ros_setup import PROFILE, profile_variable
from emotion_perception.ros.processes import free_domain
from support.processes import process_group, set_domain
from support.ros_peer import portrait_image, ros_peer
from support.ros_peer import portrait_message as make_portrait_message
from support.shared_node import DOMAINS, SharedNode


@pytest.fixture(scope='session', autouse=True)
def _environment():
    """Let processes use a domain of their own and this package's Fast DDS profile."""
    set_domain(free_domain(DOMAINS))
    os.environ[profile_variable()] = str(Path(__file__).parents[2] / 'config' / PROFILE)


@pytest.fixture(scope='session')
def _shared_node(_environment):
    domain = free_domain([d for d in DOMAINS if str(d) != os.environ['ROS_DOMAIN_ID']])
    with process_group(domain) as group, ros_peer(domain) as peer:
        yield SharedNode(group, domain, peer)


@pytest.fixture
def node(_shared_node):
    """Return the emotion node, active with default parameters."""
    _shared_node.setup()
    yield _shared_node
    assert _shared_node.process.running, _shared_node.process.output[-3000:]


@pytest.fixture
def peer(request, _environment):
    """Return a peer in the domain of `node`, or a new one in that of what the test starts."""
    if 'node' in request.fixturenames:
        yield request.getfixturevalue('node').peer
        return
    # a new one for each test: nobody must find publishers that an earlier test created
    with ros_peer() as peer:
        yield peer


@pytest.fixture
def start(_environment):
    """Start nodes, of `ros/` by module name or others; each must end cleanly on SIGINT."""
    with process_group() as group:

        def start_module(name, *arguments, **options):
            module = name if '.' in name else f'emotion_perception.ros.{name}'
            return group.start(module, *arguments, **options)

        yield start_module


@pytest.fixture(scope='session')
def portrait():
    """Return the NASA portrait, BGR uint8 [480, 640, 3]."""
    return portrait_image()


@pytest.fixture
def portrait_message():
    """Return the NASA portrait as a message."""
    return make_portrait_message()


@pytest.fixture(scope='session')
def jpeg():
    """Return a function that makes a compressed message of an image."""

    def make(image, frame_id='eye'):
        data = cv2.imencode('.jpg', image)[1].tobytes()
        return CompressedImage(header=Header(frame_id=frame_id), format='jpeg', data=data)

    return make
