# SPDX-License-Identifier: Apache-2.0
"""
Other packages' messages, received by processes that use nothing of this package.

These packages are not on PyPI; test/interfaces holds the fields of their published definitions
(vision_msgs 4.1, hri_msgs 2.x), and is built once into build/test_interfaces.
"""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.emotions import EMOTIONS, HRI_WORDS
from emotion_perception.ros.conversions import bgr_to_image, to_face_image
from emotion_perception.ros.processes import free_domain
from emotion_perception.visualization import COLORS
from support.plain_messages import plain
from support.processes import ProcessGroup, process_group
from support.ros_peer import ERROR, ros_peer
from support.shared_node import DOMAINS, SharedNode

# builds five packages first
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
INTERFACES = ROOT / 'test' / 'interfaces'
POLICY = ROOT / 'config' / 'sros2_policy.xml'
NODE = 'emotion_perception'
MESSAGES = ('bond', 'hri_msgs', 'tf2_msgs', 'vision_msgs', 'visualization_msgs')
PACKAGES = (*MESSAGES, 'std_srvs')
FACES = '/humans/faces'
PUBLISHED_HASHES = {
    'vision_msgs/msg/Detection2DArray': (
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    ),
    'hri_msgs/msg/Expression': (
        'RIHS01_411b88e0604397d44775d8ec6a4bc69398fb0dfbfe864c33a40fa99ee85f1b00'
    ),
    'hri_msgs/msg/FacialLandmarks': (
        'RIHS01_f1d6b0ba159f4d6be1632e5dfc9cb79ce5e35da73888da2a4789bd9b35112a63'
    ),
    'hri_msgs/msg/IdsList': (
        'RIHS01_7e0812d1ac945c98fd3e393568d581ad0ab567f37b24eff633eab778c1bfe62d'
    ),
    'hri_msgs/msg/NormalizedRegionOfInterest2D': (
        'RIHS01_2e50c93f1ca166ee77af9a5424dc951ae4e452b740162a7f83c082d917dcaff5'
    ),
    'visualization_msgs/msg/MarkerArray': (
        'RIHS01_86cb8800b6fb05b5eff1abd7a56f62a5641d3ae9a1c29e78e67e704f1d067dcf'
    ),
}
"""What rosbags computes from vision_msgs (branch ros2), hri_msgs (humble-devel) and Jazzy."""


def build_interfaces(folder):
    """Build the packages of test/interfaces with colcon, for Python and Fast DDS only."""
    for name in PACKAGES:
        shutil.copytree(INTERFACES / name, folder / 'src' / name)
        for template in ('CMakeLists.txt', 'package.xml'):
            text = (INTERFACES / template).read_text().replace('@package@', name)
            (folder / 'src' / name / template).write_text(text)
    environment = os.environ | {'CMAKE_PREFIX_PATH': os.environ['AMENT_PREFIX_PATH']}
    command = ['colcon', 'build', '--merge-install', '--cmake-args', '-DBUILD_TESTING=OFF']
    done = subprocess.run(
        [*command, f'-DCMAKE_PROJECT_INCLUDE={ROOT}/bootstrap/ros_wheels.cmake'],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope='module')
def installed():
    """Return where the two packages are installed; built only where their sources changed."""
    sources = sorted(path for path in INTERFACES.rglob('*') if path.is_file())
    made_of = b''.join(
        f'{path} {path.stat().st_size}'.encode() + path.read_bytes() for path in sources
    )
    digest = hashlib.sha256(made_of + f'{sys.version} {sys.prefix}'.encode()).hexdigest()[:12]
    kept = ROOT / 'build' / 'test_interfaces'
    folder = kept / digest
    if not (folder / 'done').exists():
        shutil.rmtree(kept, ignore_errors=True)
        folder.mkdir(parents=True)
        (kept / 'COLCON_IGNORE').touch()
        build_interfaces(folder)
        (folder / 'done').touch()
    return folder / 'install'


@pytest.fixture(scope='module')
def environment(installed):
    """Return the environment with the two packages, as after `source setup.bash`."""
    modules = next(installed.rglob('vision_msgs/msg/__init__.py')).parents[2]
    return {
        variable: f'{folder}{os.pathsep}{os.environ.get(variable, "")}'
        for variable, folder in (
            ('AMENT_PREFIX_PATH', installed),
            ('LD_LIBRARY_PATH', installed / 'lib'),
            ('PYTHONPATH', modules),
        )
    }


class Subscriber:
    """The process that receives the two packages' messages."""

    def __init__(self, process):
        """Read what `process` prints."""
        self._process, self._read, self._messages = process, 0, []

    @property
    def subscribed(self):
        """Whether it has subscribed."""
        return '"subscribed"' in self._process.output

    def messages(self, topic, array=None):
        """Return the messages of a topic, all of them or those of the image of an EmotionArray."""
        lines = list(self._process.log)
        self._messages += [json.loads(line) for _, line in lines[self._read :] if line[0] == '{']
        self._read = len(lines)
        return [
            message
            for message in self._messages
            if message['topic'] == topic and (array is None or message['stamp'] == stamp_ns(array))
        ]


def frame_id(message):
    """Return the frame of a received message."""
    return message['header']['frame_id']


def stamp_ns(array):
    """Return the stamp of an EmotionArray in nanoseconds."""
    return array.header.stamp.sec * 10**9 + array.header.stamp.nanosec


@pytest.fixture(scope='module')
def publishing(environment):
    """Return a node with both packages and the process that receives their messages."""
    domain = free_domain(DOMAINS)
    with process_group(domain) as group, ros_peer(domain) as peer:
        subscriber = Subscriber(group.start('support.extra_subscriber', environment=environment))
        peer.until(lambda: subscriber.subscribed, 20, 'the subscriber')
        yield SharedNode(group, domain, peer, environment), subscriber


@pytest.fixture
def node(publishing):
    """Return an active node that publishes both."""
    node, _ = publishing
    node.setup(vision_msgs=True, hri_msgs=True)
    return node


@pytest.fixture
def subscriber(publishing):
    """Return the process that receives their messages."""
    return publishing[1]


def two_people(portrait):
    """Return an image with the portrait twice."""
    half = portrait[:, 80:400]
    return np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))


def send_until_received(peer, subscriber, message, faces, **more):
    """Send an image until the subscriber has all messages of one; return that EmotionArray."""
    expected = {'detections': 1, 'tracked': 1, 'expression': faces, 'roi': faces} | more
    arrays = []

    def is_complete(array):
        return {topic: len(subscriber.messages(topic, array)) for topic in expected} == expected

    def send():
        # a new face's first messages are published before anybody can subscribe to its topics
        arrays.append(peer.process(message))
        assert len(arrays[-1].faces) == faces
        peer.spin(0.05)
        return next((array for array in arrays if is_complete(array)), None)

    return peer.until(send, 20, 'all messages of an image')


def received(peer, subscriber, topic, array, count):
    """Wait for `count` messages of a topic that belong to one image; return them."""

    def complete():
        messages = subscriber.messages(topic, array)
        return messages if len(messages) >= count else None

    return peer.until(complete, what=f'{count} messages on {topic}')


def is_allowed(topic):
    """Return whether the security policy lets the node publish a topic."""
    profile = ElementTree.parse(POLICY).find(f'.//profile[@node="{NODE}"]')
    names = [item.text.replace('~', NODE) for item in profile.findall('topics[@publish]/topic')]
    return any(fnmatch(topic, f'/{name}') for name in names)


def face_names(peer):
    """Return the names in the node's topics of single faces."""
    published = peer.node.get_publisher_names_and_types_by_node(NODE, '/')
    topics = {topic for topic, _ in published if topic.startswith(f'{FACES}/')}
    return {topic.split('/')[3] for topic in topics if topic.count('/') == 4}


def hypotheses(detection):
    """Return label and score of each result."""
    results = (result['hypothesis'] for result in detection['results'])
    return [(result['class_id'], result['score']) for result in results]


def check_detection(detection, emotion):
    """Compare a detection with the message on `emotion/faces`."""
    box = emotion.box
    center = {'x': box.x_offset + box.width / 2, 'y': box.y_offset + box.height / 2}
    assert detection['id'] == str(emotion.face_id)
    assert detection['bbox'] == {
        'center': {'position': center, 'theta': 0}, 'size_x': box.width, 'size_y': box.height,
    }  # fmt: skip
    first, *others = hypotheses(detection)
    assert first == (emotion.label, emotion.confidence)
    smoothed = dict(zip(EMOTIONS, emotion.smoothed_probabilities, strict=True))
    smoothed.pop(emotion.label, None)
    assert dict(others) == smoothed
    scores = [score for _, score in others]
    assert scores == sorted(scores, reverse=True)


def check_face(subscriber, array, emotion, name):
    """Compare a face in hri_msgs with the message on `emotion/faces`."""
    expression, roi = (
        next(m for m in subscriber.messages(topic, array) if m['face'] == name)
        for topic in ('expression', 'roi')
    )
    box, width, height = emotion.box, array.image_width, array.image_height
    corners = [
        box.x_offset / width,
        box.y_offset / height,
        (box.x_offset + box.width) / width,
        (box.y_offset + box.height) / height,
    ]
    found = [roi[side] for side in ('xmin', 'ymin', 'xmax', 'ymax')]
    assert found == pytest.approx(corners, abs=1e-6)
    assert all(0 <= corner <= 1 for corner in found)
    assert roi['c'] == emotion.detection_score
    assert frame_id(roi) == frame_id(expression) == array.header.frame_id == 'eye'
    certain = emotion.label != 'uncertain'
    assert expression['expression'] == (HRI_WORDS[emotion.label] if certain else '')
    assert expression['confidence'] == (emotion.confidence if certain else 0)
    assert math.isnan(expression['valence'])
    assert math.isnan(expression['arousal'])


def check(subscriber, array):
    """Compare all messages of one image with its EmotionArray; return the faces' names."""
    (detections,) = subscriber.messages('detections', array)
    assert frame_id(detections) == 'eye'
    for detection, emotion in zip(detections['detections'], array.faces, strict=True):
        check_detection(detection, emotion)
    (tracked,) = subscriber.messages('tracked', array)
    names = {int(name.rpartition('_')[2]): name for name in tracked['ids']}
    assert set(names) == {emotion.face_id for emotion in array.faces}
    for emotion in array.faces:
        check_face(subscriber, array, emotion, names[emotion.face_id])
    return set(names.values())


def test_the_interfaces_are_the_published_ones(installed):
    for name, published in PUBLISHED_HASHES.items():
        rows = json.loads((installed / 'share' / f'{name}.json').read_text())['type_hashes']
        assert {row['type_name']: row['hash_string'] for row in rows}[name] == published


def test_every_word_is_one_of_theirs(installed):
    text = (INTERFACES / 'hri_msgs' / 'msg' / 'Expression.msg').read_text()
    assert set(HRI_WORDS.values()) < set(re.findall(r'^string \w+\s*=\s*"?(\w+)', text, re.M))


def test_two_faces(node, peer, subscriber, portrait):
    message = bgr_to_image(two_people(portrait), Header(frame_id='eye'))
    array = send_until_received(peer, subscriber, message, faces=2)
    assert [face.label for face in array.faces] == ['happiness', 'happiness']
    names = check(subscriber, array)
    assert face_names(peer) == names
    published = {topic for topic, _ in peer.node.get_publisher_names_and_types_by_node(NODE, '/')}
    assert {topic for topic in published if not is_allowed(topic)} == {'/emotion/image'}
    expressions = subscriber.messages('expression', array)
    assert [message['expression'] for message in expressions] == ['happy', 'happy']


def test_uncertain_has_no_word(node, peer, subscriber, portrait_message):
    assert peer.set_parameter('uncertain_below', 1.0) == (True, '')
    array = send_until_received(peer, subscriber, portrait_message, faces=1)
    assert array.faces[0].label == 'uncertain'
    check(subscriber, array)
    (detections,) = subscriber.messages('detections', array)
    results = hypotheses(detections['detections'][0])
    assert [label for label, _ in results[:2]] == ['uncertain', 'happiness']
    assert len(results) == 8
    # also for a subscriber that takes the first of the highest score
    assert max(results, key=lambda row: row[1])[0] == 'uncertain'


def test_a_track_that_ends_leaves_no_topic(node, peer, subscriber, portrait, portrait_message):
    assert peer.set_parameter('max_gap_s', 10.0) == (True, '')
    (name,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    nobody = bgr_to_image(np.full_like(portrait, 90), Header(frame_id='eye'))
    for max_gap_s, ids in ((10.0, [name]), (0.0, [])):
        # while the track lasts, an image without the face keeps its topics
        assert peer.set_parameter('max_gap_s', max_gap_s) == (True, '')
        array = peer.process(nobody)
        assert not array.faces
        (tracked,) = peer.until(lambda a=array: subscriber.messages('tracked', a), what='the ids')
        assert tracked['ids'] == ids
        (detections,) = peer.until(
            lambda a=array: subscriber.messages('detections', a), what='the detections'
        )
        assert detections['detections'] == []
        peer.until(lambda expected=ids: face_names(peer) == set(expected), what='the topics')
    assert peer.set_parameter('max_gap_s', 0.7) == (True, '')
    (again,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    assert again != name


def test_images_of_faces_on_request(node, peer, subscriber, portrait, portrait_message):
    node.setup(hri_msgs=True, vision_msgs=True, hri_images=True)
    array = send_until_received(peer, subscriber, portrait_message, faces=1, cropped=1, aligned=1)
    (emotion,) = array.faces
    (tracked,) = subscriber.messages('tracked', array)
    for kind, angle_deg in (('cropped', 0.0), ('aligned', -math.degrees(emotion.head_roll))):
        (message,) = subscriber.messages(kind, array)
        expected = to_face_image(emotion, portrait, angle_deg)
        assert (message['height'], message['width'], message['encoding']) == (128, 128, 'bgr8')
        assert message['data'] == list(expected.data)
        assert (message['face'], frame_id(message)) == (tracked['ids'][0], 'eye')


def test_landmarks_on_request(node, peer, subscriber, portrait, portrait_message):
    node.setup(hri_msgs=True, vision_msgs=True, hri_landmarks=True, max_gap_s=10.0)
    # a pose is read three times a second, in the time of the stamps
    array = send_until_received(peer, subscriber, portrait_message, faces=1)
    message = peer.until(
        lambda: peer.process(portrait_message) and subscriber.messages('landmarks')[-1:],
        what='landmarks',
    )[0]
    (face,), (tracked,) = array.faces, subscriber.messages('tracked', array)
    assert (message['face'], frame_id(message)) == (tracked['ids'][0], 'eye')
    assert (message['height'], message['width']) == portrait.shape[:2]
    x, y, c = np.array([[point[name] for name in 'xyc'] for point in message['landmarks']]).T
    assert (len(x), c.tolist()) == (70, [1.0] * 70)
    # where the detector's box is, which ends at the brows
    box = face.box
    left, right = box.x_offset / portrait.shape[1], (box.x_offset + box.width) / portrait.shape[1]
    top, bottom = box.y_offset / portrait.shape[0], (box.y_offset + box.height) / portrait.shape[0]
    assert left < x[27:68].min() < x[27:68].max() < right
    assert top < y[27:68].min() < y[27:68].max() < bottom
    # the person's right is the image's left
    assert x[0] < x[36] < x[68] < x[39] < x[27] < x[42] < x[69] < x[45] < x[16]
    assert y[19] < y[37] < y[68] < y[41] < y[30] < y[33] < y[51] < y[62] < y[66] < y[57] < y[8]


def test_images_of_faces_are_not_published_unasked(node, peer, subscriber, portrait_message):
    array = send_until_received(peer, subscriber, portrait_message, faces=1)
    assert not subscriber.messages('cropped', array) + subscriber.messages('aligned', array)
    published = {topic for topic, _ in peer.node.get_publisher_names_and_types_by_node(NODE, '/')}
    unasked = ('/cropped', '/aligned', '/landmarks')
    assert not [topic for topic in published if topic.endswith(unasked)]


def test_many_faces_leave_no_topics(node, peer, portrait):
    """Each image has another size, so that all faces are new."""
    seen = set()
    for number in range(25):
        image = np.ascontiguousarray(two_people(portrait)[: 480 - 2 * number])
        array = peer.process(bgr_to_image(image, Header(frame_id='eye')))
        ids = {face.face_id for face in array.faces}
        assert len(ids) == 2
        assert not ids & seen
        seen |= ids
    peer.until(
        lambda: {int(name.rpartition('_')[2]) for name in face_names(peer)} == ids,
        what='only the topics of the last two faces',
    )


def test_an_inactive_node_tracks_nobody(node, peer, subscriber, portrait_message):
    (name,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    assert peer.transition('deactivate')
    peer.until(lambda: subscriber.messages('tracked')[-1]['ids'] == [], what='an empty list')
    peer.until(lambda: face_names(peer) == set(), what='no topics of faces')
    assert peer.transition('cleanup')
    peer.until(lambda: not peer.node.count_publishers(f'{FACES}/tracked'), what='no list')
    assert peer.node.count_publishers('emotion/detections') == 0
    for step in ('configure', 'activate'):
        assert peer.transition(step)
    peer.wait_for_node()
    (again,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    # face_id starts again at 1, but the name does not return
    assert again.rpartition('_')[2] == name.rpartition('_')[2] == '1'
    assert again != name


def test_frames(node, peer, subscriber, portrait_message):
    node.setup(tf2_msgs=True, field_of_view_deg=60)
    array = peer.process(portrait_message)
    (face,) = array.faces
    frames = received(peer, subscriber, 'tf', array, 2)
    place = face.position
    axes = {}
    for frame in frames:
        assert frame_id(frame) == 'eye'
        assert frame['transform']['translation'] == plain(place)
        turn = [frame['transform']['rotation'][name] for name in 'xyzw']
        assert np.linalg.norm(turn) == pytest.approx(1)
        axes[frame['child_frame_id']] = Rotation.from_quat(turn).as_matrix().T
    assert set(axes) == {f'face_{face.face_id}', f'gaze_{face.face_id}'}
    forward, left, up = axes[f'face_{face.face_id}']
    # to the camera, from which she is seen
    toward = -np.array([place.x, place.y, place.z]) / face.distance
    assert forward @ toward > 0.98
    assert up[1] < -0.95
    assert left[0] > 0.95  # of the image's right
    # REP-155: z forward, and so y down in an upright head
    assert axes[f'gaze_{face.face_id}'] == pytest.approx(np.stack([-left, -up, forward]), abs=1e-6)


def test_frames_have_the_ids_of_hri_msgs(node, peer, subscriber, portrait_message):
    node.setup(tf2_msgs=True, hri_msgs=True, vision_msgs=True, field_of_view_deg=60)
    array = send_until_received(peer, subscriber, portrait_message, faces=1)
    (tracked,) = subscriber.messages('tracked', array)
    frames = received(peer, subscriber, 'tf', array, 2)
    (name,) = tracked['ids']
    assert {frame['child_frame_id'] for frame in frames} == {f'face_{name}', f'gaze_{name}'}


def test_markers(node, peer, subscriber, portrait_message):
    node.setup(visualization_msgs=True, field_of_view_deg=60)
    array = peer.process(portrait_message)
    (face,) = array.faces
    markers = received(peer, subscriber, 'markers', array, 3)
    head, label, direction = markers
    assert [(marker['ns'], marker['type'], marker['id']) for marker in markers] == [
        ('head', 2, face.face_id), ('label', 9, face.face_id), ('direction', 0, face.face_id),
    ]  # fmt: skip
    place = plain(face.position)
    assert head['pose']['position'] == place
    assert label['pose']['position'] == pytest.approx(place | {'y': place['y'] - 0.2})
    assert label['text'] == f'happiness {min(face.confidence, 0.99):.0%}\n{face.distance:.1f} m'
    blue, green, red = COLORS['happiness']
    for marker in markers:
        color = [marker['color'][name] for name in 'rgb']
        assert color == pytest.approx([red / 255, green / 255, blue / 255])
        assert (frame_id(marker), marker['lifetime']) == ('eye', {'sec': 0, 'nanosec': 5 * 10**8})
    assert direction['points'][0] == place
    start, end = (np.array(list(point.values())) for point in direction['points'])
    assert np.linalg.norm(end - start) == pytest.approx(0.35)
    # she looks at the camera
    assert (end - start) @ -start / np.linalg.norm(start) > 0.34


def test_markers_of_faces_that_are_not_tracked(node, peer, subscriber, portrait):
    """They have no ids of their own, and would replace each other."""
    node.setup(visualization_msgs=True, field_of_view_deg=60, tracking=False)
    array = peer.process(bgr_to_image(two_people(portrait), Header(frame_id='eye')))
    markers = received(peer, subscriber, 'markers', array, 6)
    assert [marker['id'] for marker in markers] == [1, 1, 1, 2, 2, 2]


def test_no_markers_where_the_position_is_not_known(node, peer, subscriber, portrait_message):
    node.setup(visualization_msgs=True, vision_msgs=True)
    array = peer.process(portrait_message)
    peer.until(lambda: subscriber.messages('detections', array), what='the detections')
    assert len(array.faces) == 1
    assert not subscriber.messages('markers', array)


def bond_states(process):
    """Return what the lifecycle manager's side has printed of the node's."""
    return [json.loads(line) for line in process.output.splitlines() if line.startswith('[')]


def test_a_bond_lasts_from_activation_to_deactivation(publishing, environment, node, peer):
    shared, _ = publishing
    with process_group(shared.domain) as group:
        manager = group.start('support.bond_peer', NODE, environment=environment)
        node.setup(('configure',), bond=True)
        assert bond_states(manager) == []
        assert peer.transition('activate')
        peer.until(lambda: node.count('bond: formed'), what='the bond')
        ((own, active),) = peer.until(lambda: bond_states(manager), what='a heartbeat')
        assert active
        assert peer.transition('deactivate')
        peer.until(lambda: bond_states(manager)[1:], what='the farewell')
        assert bond_states(manager) == [[own, True], [own, False]]
        # the next activation is another bond
        assert peer.transition('activate')
        third = peer.until(lambda: bond_states(manager)[2:], what='a heartbeat')[0]
        assert third[1]
        assert third[0] != own
    peer.until(lambda: node.count('bond: broken, the other side said farewell'), what='the end')
    assert peer.state() == 'active'
    assert node.count('bond: formed') == 2


def test_a_silent_manager_breaks_the_bond_and_the_node_goes_on(
    publishing, environment, node, peer, portrait_message
):
    shared, _ = publishing
    node.setup(bond=True)
    manager = ProcessGroup(shared.domain).start('support.bond_peer', NODE, environment=environment)
    peer.until(lambda: node.count('bond: formed'), what='the bond')
    manager.kill()
    reason = 'bond: broken, the other side was not heard of for 4 s'
    peer.until(lambda: node.count(reason), 20, what='the end of the bond')
    assert peer.process(portrait_message).faces


def test_the_mirror_shows_the_expression_of_the_nearest(environment):
    domain = free_domain(DOMAINS)
    with process_group(domain) as group, ros_peer(domain) as peer:
        subscriber = Subscriber(group.start('support.extra_subscriber', environment=environment))
        peer.until(lambda: subscriber.subscribed, 20, 'the subscriber')
        group.start('emotion_perception.ros.mirror', environment=environment)
        peer.until(lambda: peer.node.count_subscribers('emotion/faces') > 1, 20, 'the mirror')
        script = 'smile@1 uncertain@2.5 angry@4 2:appear@0 2:sad@1'
        fake = group.start('emotion_perception.cli', 'fake', *script.split())
        peer.until(lambda: not fake.running, 30, 'the end of the script')
        peer.until(lambda: len(subscriber.messages('expression')) >= 3, what='the last one')
        shown = subscriber.messages('expression')
    assert [(message['face'], message['expression']) for message in shown] == [
        ('mirror', 'neutral'), ('mirror', 'happy'), ('mirror', 'angry'),
    ]  # fmt: skip
    assert all(0.6 < message['confidence'] < 1 for message in shown)
    assert set(map(frame_id, shown)) == {'camera'}


def test_off_by_default(node, peer, portrait_message):
    node.setup()
    assert len(peer.process(portrait_message).faces) == 1
    topics = {topic for topic, _ in peer.node.get_publisher_names_and_types_by_node(NODE, '/')}
    assert not [topic for topic in topics if 'humans' in topic or 'detections' in topic]


def test_without_the_packages_one_line_says_what_to_install(
    start, peer, portrait_message, tmp_path
):
    for package in PACKAGES:
        (tmp_path / f'{package}.py').write_text('raise ImportError("not here")\n')
    path = f'{tmp_path}{os.pathsep}{os.environ["PYTHONPATH"]}'
    node = start('emotion_node', environment={'PYTHONPATH': path})
    for package in MESSAGES:
        assert peer.set_parameter(package, True) == (True, '')
        assert not peer.transition('configure')
        message = peer.wait_for_status(ERROR, where=lambda s, p=package: p in s.message).message
        assert '\n' not in message
        assert f'the package {package} cannot be loaded' in message
        assert f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")}' in message
        assert peer.state() == 'unconfigured'
        assert peer.set_parameter(package, False) == (True, '')
    assert node.count('Traceback') == 0
    for step in ('configure', 'activate'):
        assert peer.transition(step)
    peer.wait_for_node()
    assert peer.process(portrait_message).faces[0].label == 'happiness'


def enable(publishing, environment, value):
    """Call ~/enable from a process of its own; return success and message."""
    node, _ = publishing
    with process_group(node.domain) as group:
        client = group.start('support.enable_client', value, environment=environment)
        assert client.wait(40) == 0
        return tuple(json.loads(client.output.splitlines()[-1]))


def test_a_disabled_node_reads_no_images_until_it_is_enabled(
    publishing, environment, node, peer, subscriber, portrait_message
):
    (name,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    assert enable(publishing, environment, 'off') == (True, '')
    assert (peer.state(), peer.node.count_subscribers('image')) == ('active', 0)
    peer.until(lambda: face_names(peer) == set(), what='no topics of faces')
    status = peer.wait_for_status(state='disabled')
    assert status.message == 'disabled; no images are read'
    assert enable(publishing, environment, 'off') == (True, '')
    assert enable(publishing, environment, 'on') == (True, '')
    (again,) = check(subscriber, send_until_received(peer, subscriber, portrait_message, faces=1))
    assert again != name


def test_an_inactive_node_cannot_be_enabled(publishing, environment, node, peer):
    assert peer.transition('deactivate')
    reason = 'the node is inactive: configure and activate it first'
    assert enable(publishing, environment, 'on') == (False, reason)


def test_the_next_activation_enables_the_node(
    publishing, environment, node, peer, portrait_message
):
    assert enable(publishing, environment, 'off') == (True, '')
    assert peer.transition('deactivate')
    assert peer.transition('activate')
    peer.wait_for_node(Image)
    assert peer.process(portrait_message).faces
