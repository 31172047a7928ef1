# SPDX-License-Identifier: Apache-2.0
"""One node process that many tests use, set up again for each."""

from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.ros.parameters import PARAMETERS
from emotion_perception.ros.processes import EMOTION_NODE
from support.processes import ProcessGroup
from support.ros_peer import RosPeer

DOMAINS = range(10, 101)
"""ROS domains of the tests in this process; the benchmarks use others."""
DEFAULTS = {spec.name: spec.default for spec in PARAMETERS if spec.name != 'autostart'}
# a busy machine, too, reads all faces in each image
DEFAULTS |= {'time_budget': 100.0}


class SharedNode:
    """
    An emotion node that many tests use one after the other, in a domain of its own.

    Attributes:
        process: its process.
        peer: a peer in its domain.
        domain: the ROS domain.

    """

    def __init__(self, group: ProcessGroup, domain: int, peer: RosPeer, environment=None):
        """Start the node in the group's domain, `environment` added; `setup` brings it up."""
        self.domain, self.peer = domain, peer
        self.process = group.start(EMOTION_NODE, environment=environment)
        self._first_line = 0

    def setup(self, steps=('configure', 'activate'), **parameters):
        """Clean the node up, set all parameters, here or to `DEFAULTS`, and bring it up."""
        peer = self.peer
        for state, step in (('active', 'deactivate'), ('inactive', 'cleanup')):
            if peer.state() == state:
                assert peer.transition(step)
        results = peer.set_parameters(**(DEFAULTS | parameters))
        assert all(accepted for accepted, _ in results), results
        self._first_line = len(self.process.log)
        for step in steps:
            assert peer.transition(step)
        if 'activate' in steps:
            compressed = parameters.get('image_transport') == 'compressed'
            peer.wait_for_node(CompressedImage if compressed else Image, settle_s=0.05)
        peer.clear()

    def count(self, text):
        """Return how many lines with `text` the node printed since `setup`."""
        return self.process.count(text, self._first_line)
