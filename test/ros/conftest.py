"""Real processes over real DDS: the node in one, the tests in another, a domain of their own."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from benchmarks.processes import free_domain
from emotion_msgs.msg import Emotion, EmotionArray
from emotion_msgs.srv import ClassifyFaces
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.ros.conversions import bgr_to_image

NODE = 'emotion_perception'
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


@pytest.fixture(scope='session', autouse=True)
def _own_domain():
    os.environ['ROS_DOMAIN_ID'] = str(free_domain(range(10, 101)))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    rclpy.init()
    yield
    rclpy.shutdown()


class Process:
    """A module of the package in a process of its own."""

    def __init__(self, log, module, arguments):
        """Start it; what it prints goes to the file `log`."""
        self._log = log
        # the benchmark's own ones are made for tests like these
        package = 'benchmarks' if module == 'slow_node' else 'emotion_perception'
        what = ['-m', f'{package}.{module}']
        command = [sys.executable, '-u', *what, *arguments]
        self._process = subprocess.Popen(command, stdout=log.open('w'), stderr=subprocess.STDOUT)

    @property
    def output(self):
        """Return what it printed so far."""
        return self._log.read_text()

    @property
    def cpu_s(self):
        """Return how much processor time all its threads used."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    @property
    def memory_mb(self):
        """Return how much memory it holds."""
        pages = Path(f'/proc/{self._process.pid}/statm').read_text().split()[1]
        return int(pages) * os.sysconf('SC_PAGE_SIZE') / 1e6

    @property
    def running(self):
        """Tell whether it still runs."""
        return self._process.poll() is None

    def stop(self):
        """Press Ctrl-C and return the exit code."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(10)


@pytest.fixture
def start(tmp_path):
    """Start modules of the package; each must end cleanly on Ctrl-C."""
    processes = []

    def start_module(module, *arguments, **parameters):
        given = [f'{name}:={value}' for name, value in parameters.items()]
        ros = ['--ros-args', *(word for item in given for word in ('-p', item))] if given else []
        process = Process(tmp_path / f'{module}{len(processes)}.log', module, [*arguments, *ros])
        processes.append(process)
        return process

    yield start_module
    codes = [process.stop() for process in processes]
    assert codes == [0] * len(codes), [process.output for process in processes]


class Peer:
    """What another process can do with the node: send images, listen, call its services."""

    def __init__(self):
        """Subscribe to everything the node says."""
        self.node = rclpy.create_node(f'peer_{random.randint(0, 10**6)}')
        self.emotions, self.arrays, self.annotated, self.diagnostics = [], [], [], []
        self.node.create_subscription(Emotion, 'emotion', self.emotions.append, 50)
        self.node.create_subscription(EmotionArray, 'emotion/faces', self.arrays.append, 50)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self.diagnostics.append, 50)
        self._images = self.node.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._compressed = self.node.create_publisher(
            CompressedImage, 'image/compressed', qos_profile_sensor_data
        )
        self._clients = {}

    def until(self, condition, timeout_s=10.0, what=''):
        """Spin until `condition` returns something true, and return it."""
        deadline = time.monotonic() + timeout_s
        while not (answer := condition()):
            assert time.monotonic() < deadline, f'waited {timeout_s} s for {what or condition}'
            rclpy.spin_once(self.node, timeout_sec=0.05)
        return answer

    def spin(self, seconds):
        """Spin for some time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def call(self, kind, name, request, timeout_s=10.0):
        """Call a service of the node and return its response."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/{NODE}/{name}')
        client = self._clients[name]
        assert client.wait_for_service(timeout_s), f'no service {name}'
        future = client.call_async(request)
        self.until(future.done, timeout_s, f'an answer of {name}')
        return future.result()

    def state(self):
        """Return the node's lifecycle state."""
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label

    def transition(self, name):
        """Ask for a transition; return whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        return self.call(ChangeState, 'change_state', request).success

    def set_parameter(self, name, value):
        """Return (accepted, reason)."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        result = self.call(SetParameters, 'set_parameters', request).results[0]
        return result.successful, result.reason

    def describe(self, names):
        """Return the descriptors of parameters."""
        request = DescribeParameters.Request(names=names)
        return self.call(DescribeParameters, 'describe_parameters', request).descriptors

    def classify(self, image):
        """Call ~/classify."""
        return self.call(ClassifyFaces, 'classify', ClassifyFaces.Request(image=image))

    def wait_for_node(self):
        """Wait until the node reads images."""
        self.until(
            lambda: (
                (
                    self._images.get_subscription_count()
                    or self._compressed.get_subscription_count()
                )
                and self.node.count_publishers('emotion')
                and self.node.count_publishers('emotion/faces')
            ),
            what='the node to subscribe',
        )
        # the node must have found our subscriptions as well, which cannot be seen from here
        self.spin(0.5)

    def send(self, message):
        """Publish one image, or any bytes in place of a raw one."""
        raw = isinstance(message, (Image, bytes))
        (self._images if raw else self._compressed).publish(message)

    def answer_to(self, message, timeout_s=10.0):
        """Publish one image, stamped now, and return the EmotionArray that answers it."""
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.send(message)
        return self.until(
            lambda: next((a for a in self.arrays if a.header.stamp == message.header.stamp), None),
            timeout_s, 'an answer to an image',
        )  # fmt: skip

    def status(self, text, timeout_s=6.0):
        """Wait for a diagnostic status whose message contains `text`; return (status, values)."""

        def found():
            for array in self.diagnostics:
                for status in array.status:
                    if text in status.message:
                        return status, {pair.key: pair.value for pair in status.values}
            return None

        self.diagnostics.clear()
        return self.until(found, timeout_s, f'diagnostics that say {text!r}')


@pytest.fixture
def peer():
    """Return a peer of the node."""
    peer = Peer()
    yield peer
    peer.node.destroy_node()


@pytest.fixture(scope='session')
def portrait():
    """Return the NASA portrait as VGA, BGR."""
    image = cv2.imread(str(portrait_path()))
    return np.ascontiguousarray(cv2.resize(image, (640, 640))[:480])


@pytest.fixture
def portrait_message(portrait):
    """Return the NASA portrait as a message."""
    return bgr_to_image(portrait, Header(frame_id='eye'))
