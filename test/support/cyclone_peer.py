# SPDX-License-Identifier: Apache-2.0
"""
A program without ROS: sends images over Eclipse Cyclone DDS and prints what it receives as json.

    python cyclone_peer.py DOMAIN IMAGE_FILE raw|jpeg

The types repeat the fields of the .msg files; rclpy, rosidl and this package are not used.
DDS names in ROS: topic rt/..., type package::msg::dds_::Name_.
"""

import contextlib
import json
import sys
import time
from dataclasses import asdict

import cv2
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import make_idl_struct
from cyclonedds.idl.types import array, float32, float64, int32, sequence, uint8, uint32, uint64
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

PERIOD_S = 0.1


def message_type(name, **fields):
    """Return the class of a ROS message, such as `std_msgs/Header`."""
    package, _, short_name = name.partition('/')
    return make_idl_struct(short_name, f'{package}::msg::dds_::{short_name}_', fields)


Time = message_type('builtin_interfaces/Time', sec=int32, nanosec=uint32)
Duration = message_type('builtin_interfaces/Duration', sec=int32, nanosec=uint32)
Header = message_type('std_msgs/Header', stamp=Time, frame_id=str)
RegionOfInterest = message_type(
    'sensor_msgs/RegionOfInterest',
    x_offset=uint32,
    y_offset=uint32,
    height=uint32,
    width=uint32,
    do_rectify=bool,
)
Point = message_type('geometry_msgs/Point', x=float64, y=float64, z=float64)
Emotion = message_type(
    'emotion_msgs/Emotion',
    header=Header,
    face_id=uint32,
    box=RegionOfInterest,
    detection_score=float32,
    label=str,
    confidence=float32,
    probabilities=array[float32, 7],
    smoothed_probabilities=array[float32, 7],
    tracked_for=Duration,
    reading_age=Duration,
    head_yaw=float32,
    head_pitch=float32,
    head_roll=float32,
    eyes_open=float32,
    mouth_open=float32,
    looking_at_camera=float32,
    head_pose_age=Duration,
    position=Point,
    distance=float32,
    distance_source=str,
)
EmotionArray = message_type(
    'emotion_msgs/EmotionArray',
    header=Header,
    faces=sequence[Emotion],
    image_width=uint32,
    image_height=uint32,
    processing_time=float32,
    age=float32,
    images_received=uint64,
    images_skipped=uint64,
)
Image = message_type(
    'sensor_msgs/Image',
    header=Header,
    height=uint32,
    width=uint32,
    encoding=str,
    is_bigendian=uint8,
    step=uint32,
    data=sequence[uint8],
)
CompressedImage = message_type(
    'sensor_msgs/CompressedImage', header=Header, format=str, data=sequence[uint8]
)


def image_message(image, kind):
    """Return an image as a message, stamped now."""
    now = time.time_ns()
    header = Header(Time(now // 10**9, now % 10**9), 'cyclone')
    if kind == 'jpeg':
        return CompressedImage(header, 'jpeg', cv2.imencode('.jpg', image)[1].tobytes())
    height, width = image.shape[:2]
    return Image(header, height, width, 'bgr8', 0, 3 * width, image.tobytes())


def type_hashes(reader):
    """Return the RIHS01 hash that publishers announce for each topic."""
    hashes = {}
    for sample in reader.take(100):
        data = sample.qos[Policy.Userdata] if sample.qos else None
        for part in bytes(data.data).decode().split(';') if data else ():
            name, _, value = part.partition('=')
            if name == 'typehash':
                hashes[sample.topic_name] = value
    return hashes


def main(domain, path, kind):
    """Send images and print messages until SIGINT."""
    image = cv2.imread(path)
    participant = DomainParticipant(domain)
    qos = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(20))
    announced = BuiltinDataReader(participant, BuiltinTopicDcpsPublication)
    readers = {
        'emotion': DataReader(participant, Topic(participant, 'rt/emotion', Emotion), qos),
        'faces': DataReader(
            participant, Topic(participant, 'rt/emotion/faces', EmotionArray), qos
        ),
    }
    sent_type, name = (
        (Image, 'rt/image') if kind == 'raw' else (CompressedImage, 'rt/image/compressed')
    )
    writer = DataWriter(participant, Topic(participant, name, sent_type), qos)
    while True:
        for topic, digest in type_hashes(announced).items():
            print(json.dumps({'hash_of': topic, 'hash': digest}), flush=True)
        if writer.get_matched_subscriptions():
            writer.write(image_message(image, kind))
        deadline = time.monotonic() + PERIOD_S
        while time.monotonic() < deadline:
            for topic, reader in readers.items():
                for message in reader.take(20):
                    print(json.dumps({'topic': topic, 'message': asdict(message)}), flush=True)
            time.sleep(0.005)


if __name__ == '__main__':
    with contextlib.suppress(KeyboardInterrupt):
        main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
