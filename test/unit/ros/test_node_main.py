# SPDX-License-Identifier: Apache-2.0
"""What the programs of this package load, and that their nodes end."""

import subprocess
import sys

NODE = """
import sys
from rclpy.node import Node
from emotion_msgs.msg import Emotion
from emotion_perception.ros.node_main import run_node

class Once(Node):
    def __init__(self):
        super().__init__('once')
        self.create_publisher(Emotion, 'emotion', 10)
        print('lark' in sys.modules, 'rosidl_generator_py' in sys.modules)
        raise KeyboardInterrupt

run_node(Once)
"""


def test_a_node_does_not_load_the_generator_of_messages():
    done = subprocess.run([sys.executable, '-c', NODE], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (['False', 'True'], '')


SHUT_DOWN = """
import threading
import rclpy
from rclpy.node import Node
from emotion_perception.ros.node_main import run_node

def shut_down():
    context = rclpy.get_default_context().handle
    with context:
        context.shutdown()

class Silent(Node):
    def __init__(self):
        super().__init__('silent')
        threading.Timer(0.5, shut_down).start()

run_node(Silent)
print('ended')
"""


def test_a_node_ends_that_nothing_wakes():
    """A node that looks before rclpy has shut ROS down is not woken by rclpy again."""
    done = subprocess.run(
        [sys.executable, '-c', SHUT_DOWN], capture_output=True, text=True, timeout=15
    )
    assert (done.stdout, done.stderr, done.returncode) == ('ended\n', '', 0)
