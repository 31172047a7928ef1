"""
A stranger to this package: hears vision_msgs and hri_msgs, and prints each message as one line of json.

Like libhri it follows `/humans/faces/tracked`: it subscribes to the topics of each face that the list
names, and gives them up when the list names it no more.
"""

import json

import rclpy
from hri_msgs.msg import Expression, IdsList, NormalizedRegionOfInterest2D
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from vision_msgs.msg import Detection2DArray

FACES = '/humans/faces'


def note(topic, message, **values):
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec
    line = {'topic': topic, 'stamp': stamp_ns, 'frame': message.header.frame_id, **values}
    print(json.dumps(line), flush=True)


class Listener(Node):
    """Hears everything there is."""

    def __init__(self):
        """Begin with the two topics that are always there."""
        super().__init__('stranger')
        self._of_faces = {}
        self.create_subscription(Detection2DArray, 'emotion/detections', self._detections, 10)
        self.create_subscription(IdsList, f'{FACES}/tracked', self._tracked, 10)
        print('"listening"', flush=True)

    def _detections(self, message):
        found = [
            {
                'id': one.id,
                'stamp': one.header.stamp.sec * 10**9 + one.header.stamp.nanosec,
                'center': [one.bbox.center.position.x, one.bbox.center.position.y],
                'theta': one.bbox.center.theta,
                'size': [one.bbox.size_x, one.bbox.size_y],
                'results': [
                    [result.hypothesis.class_id, result.hypothesis.score] for result in one.results
                ],
            }
            for one in message.detections
        ]
        note('detections', message, detections=found)

    def _tracked(self, message):
        note('tracked', message, ids=list(message.ids))
        for name in self._of_faces.keys() - set(message.ids):
            for subscription in self._of_faces.pop(name):
                self.destroy_subscription(subscription)
        for name in set(message.ids) - self._of_faces.keys():
            self._of_faces[name] = (
                self.create_subscription(
                    Expression, f'{FACES}/{name}/expression', self._expression_of(name), 10
                ),
                self.create_subscription(
                    NormalizedRegionOfInterest2D, f'{FACES}/{name}/roi', self._roi_of(name), 10
                ),
            )

    @staticmethod
    def _expression_of(name):
        return lambda message: note(
            'expression', message, id=name, word=message.expression,
            confidence=message.confidence, valence=message.valence, arousal=message.arousal,
        )  # fmt: skip

    @staticmethod
    def _roi_of(name):
        return lambda message: note(
            'roi', message, id=name, c=message.c,
            corners=[message.xmin, message.ymin, message.xmax, message.ymax],
        )  # fmt: skip


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(Listener())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
