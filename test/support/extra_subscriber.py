# SPDX-License-Identifier: Apache-2.0
"""
A program that uses vision_msgs and hri_msgs alone, and prints each message as one line of json.

Like libhri it reads `/humans/faces/tracked`: it subscribes to the topics of each listed face, and
unsubscribes when the face is no longer listed.
"""

import json

import rclpy
from hri_msgs.msg import Expression, FacialLandmarks, IdsList, NormalizedRegionOfInterest2D
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray
from visualization_msgs.msg import MarkerArray

from support.plain_messages import plain

FACES = '/humans/faces'
OF_A_FACE = {
    'expression': Expression,
    'roi': NormalizedRegionOfInterest2D,
    'cropped': Image,
    'aligned': Image,
    'landmarks': FacialLandmarks,
}


def print_message(topic, message, **about):
    """Print a message with its topic and its stamp in nanoseconds."""
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec
    print(json.dumps({'topic': topic, 'stamp': stamp_ns, **about, **plain(message)}), flush=True)


class ExtraSubscriber(Node):
    """Subscribes to everything in the two packages' types."""

    def __init__(self):
        """Subscribe to the topics that are not those of single faces."""
        super().__init__('extra_subscriber')
        self._face_subscriptions = {}
        self._subscribe(Detection2DArray, 'emotion/detections', 'detections')
        self.create_subscription(IdsList, f'{FACES}/tracked', self._on_tracked, 10)
        self.create_subscription(TFMessage, '/tf', self._on_frames, 10)
        self.create_subscription(MarkerArray, 'emotion/markers', self._on_markers, 10)
        # of the example behavior mirror
        self._subscribe(Expression, 'expression', 'expression', face='mirror')
        print('"subscribed"', flush=True)

    def _subscribe(self, kind, topic, name, **about):
        return self.create_subscription(
            kind, topic, lambda message: print_message(name, message, **about), 10
        )

    def _on_tracked(self, message):
        print_message('tracked', message)
        for face in self._face_subscriptions.keys() - set(message.ids):
            for subscription in self._face_subscriptions.pop(face):
                self.destroy_subscription(subscription)
        for face in set(message.ids) - self._face_subscriptions.keys():
            self._face_subscriptions[face] = [
                self._subscribe(kind, f'{FACES}/{face}/{name}', name, face=face)
                for name, kind in OF_A_FACE.items()
            ]

    @staticmethod
    def _on_markers(message):
        for marker in message.markers:
            print_message('markers', marker)

    @staticmethod
    def _on_frames(message):
        for frame in message.transforms:
            print_message('tf', frame)


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(ExtraSubscriber())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
