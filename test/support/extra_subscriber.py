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

FACES = '/humans/faces'


def print_message(topic, message, **values):
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec
    line = {'topic': topic, 'stamp': stamp_ns, 'frame': message.header.frame_id, **values}
    print(json.dumps(line), flush=True)


class ExtraSubscriber(Node):
    """Subscribes to everything in the two packages' types."""

    def __init__(self):
        """Subscribe to the topics that are not those of single faces."""
        super().__init__('extra_subscriber')
        self._face_subscriptions = {}
        self.create_subscription(Detection2DArray, 'emotion/detections', self._on_detections, 10)
        self.create_subscription(IdsList, f'{FACES}/tracked', self._on_tracked, 10)
        self.create_subscription(TFMessage, '/tf', self._on_frames, 10)
        self.create_subscription(MarkerArray, 'emotion/markers', self._on_markers, 10)
        # of the example behavior mirror
        self.create_subscription(Expression, 'expression', self._on_expression('mirror'), 10)
        print('"subscribed"', flush=True)

    def _on_detections(self, message):
        detections = [
            {
                'id': one.id,
                'center': [one.bbox.center.position.x, one.bbox.center.position.y],
                'theta': one.bbox.center.theta,
                'size': [one.bbox.size_x, one.bbox.size_y],
                'results': [
                    [result.hypothesis.class_id, result.hypothesis.score] for result in one.results
                ],
            }
            for one in message.detections
        ]
        print_message('detections', message, detections=detections)

    def _on_tracked(self, message):
        print_message('tracked', message, ids=list(message.ids))
        for name in self._face_subscriptions.keys() - set(message.ids):
            for subscription in self._face_subscriptions.pop(name):
                self.destroy_subscription(subscription)
        for name in set(message.ids) - self._face_subscriptions.keys():
            self._face_subscriptions[name] = (
                self.create_subscription(
                    Expression, f'{FACES}/{name}/expression', self._on_expression(name), 10
                ),
                self.create_subscription(
                    NormalizedRegionOfInterest2D, f'{FACES}/{name}/roi', self._on_roi(name), 10
                ),
                *(
                    self.create_subscription(
                        Image, f'{FACES}/{name}/{kind}', self._on_image(name, kind), 10
                    )
                    for kind in ('cropped', 'aligned')
                ),
                self.create_subscription(
                    FacialLandmarks, f'{FACES}/{name}/landmarks', self._on_landmarks(name), 10
                ),
            )

    @staticmethod
    def _on_markers(message):
        for marker in message.markers:
            place = marker.pose.position
            print_message(
                'markers',
                marker,
                kind=[marker.ns, marker.type, marker.id],
                place=[place.x, place.y, place.z],
                color=[marker.color.r, marker.color.g, marker.color.b],
                text=marker.text,
                points=[[point.x, point.y, point.z] for point in marker.points],
                lifetime_s=marker.lifetime.sec + marker.lifetime.nanosec / 1e9,
            )

    @staticmethod
    def _on_frames(message):
        for frame in message.transforms:
            place, turn = frame.transform.translation, frame.transform.rotation
            print_message(
                'tf',
                frame,
                child=frame.child_frame_id,
                place=[place.x, place.y, place.z],
                turn=[turn.x, turn.y, turn.z, turn.w],
            )

    @staticmethod
    def _on_expression(name):
        return lambda message: print_message(
            'expression',
            message,
            id=name,
            word=message.expression,
            confidence=message.confidence,
            valence=message.valence,
            arousal=message.arousal,
        )

    @staticmethod
    def _on_image(name, kind):
        return lambda message: print_message(
            kind,
            message,
            id=name,
            shape=[message.height, message.width],
            encoding=message.encoding,
            mean=sum(message.data) / len(message.data),
        )

    @staticmethod
    def _on_landmarks(name):
        return lambda message: print_message(
            'landmarks',
            message,
            id=name,
            size=[message.width, message.height],
            points=[[point.x, point.y, point.c] for point in message.landmarks],
        )

    @staticmethod
    def _on_roi(name):
        return lambda message: print_message(
            'roi',
            message,
            id=name,
            c=message.c,
            corners=[message.xmin, message.ymin, message.xmax, message.ymax],
        )


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(ExtraSubscriber())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
