"""
The faces in vision_msgs and hri_msgs, heard by a process that knows nothing of this package.

The two packages are on no registry; test/interfaces holds the fields of their published definitions
(vision_msgs 4.1, hri_msgs 2.x), and is built once into build/test_interfaces.
"""

import hashlib
import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from std_msgs.msg import Header

from emotion_perception.emotions import EMOTIONS, HRI_WORDS
from emotion_perception.ros.conversions import bgr_to_image

ROOT = Path(__file__).parents[2]
INTERFACES = ROOT / 'test' / 'interfaces'
POLICY = ROOT / 'config' / 'sros2_policy.xml'
NODE = 'emotion_perception'
PACKAGES = ('hri_msgs', 'vision_msgs')
FACES = '/humans/faces'
PUBLISHED_HASHES = {
    'vision_msgs/msg/Detection2DArray': 'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'hri_msgs/msg/Expression': 'RIHS01_411b88e0604397d44775d8ec6a4bc69398fb0dfbfe864c33a40fa99ee85f1b00',
    'hri_msgs/msg/IdsList': 'RIHS01_7e0812d1ac945c98fd3e393568d581ad0ab567f37b24eff633eab778c1bfe62d',
    'hri_msgs/msg/NormalizedRegionOfInterest2D': 'RIHS01_2e50c93f1ca166ee77af9a5424dc951ae4e452b740162a7f83c082d917dcaff5',
}
"""What rosbags computes from ros-perception/vision_msgs (ros2) and ros4hri/hri_msgs (humble-devel)."""


def build_interfaces(folder):
    """Build the packages of test/interfaces with colcon, only what Python and Fast DDS need of them."""
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


@pytest.fixture
def sourced(installed, monkeypatch):
    """Let processes that start from now on find the two packages, as after `source setup.bash`."""
    modules = next(installed.rglob('vision_msgs/msg/__init__.py')).parents[2]
    for variable, folder in (
        ('AMENT_PREFIX_PATH', installed),
        ('LD_LIBRARY_PATH', installed / 'lib'),
        ('PYTHONPATH', modules),
    ):
        monkeypatch.setenv(variable, f'{folder}{os.pathsep}{os.environ.get(variable, "")}')


class Stranger:
    """The listener's process and what it heard."""

    def __init__(self, log):
        """Start it; it prints to the file `log`."""
        self._log = log
        command = [sys.executable, '-u', str(Path(__file__).with_name('outputs_listener.py'))]
        self.process = subprocess.Popen(command, stdout=log.open('w'))

    def heard(self, topic):
        """Return the messages of one kind, as they came."""
        whole = self._log.read_text().rpartition('\n')[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if isinstance(line, dict) and line['topic'] == topic]

    def about(self, topic, stamp):
        """Return the messages of one kind about the image with this stamp."""
        return [line for line in self.heard(topic) if line['stamp'] == ns(stamp)]

    @property
    def listening(self):
        """Tell whether it has subscribed."""
        return 'listening' in self._log.read_text()


@pytest.fixture
def stranger(sourced, tmp_path):
    """Return a process that hears the two packages' messages."""
    stranger = Stranger(tmp_path / 'stranger.log')
    yield stranger
    stranger.process.send_signal(signal.SIGINT)
    assert stranger.process.wait(10) == 0, (tmp_path / 'stranger.log').read_text()


@pytest.fixture
def node(sourced, start, peer, stranger):
    """Return a node that publishes both formats, and is heard."""
    node = start('ros.emotion_node', autostart='true', vision_msgs='true', hri_msgs='true')
    peer.wait_for_node()
    peer.until(lambda: stranger.listening, 20, 'the stranger to listen')
    return node


def ns(stamp):
    """Return a stamp in nanoseconds."""
    return stamp.sec * 10**9 + stamp.nanosec


def two_people(portrait):
    """Return a picture with the portrait twice."""
    half = portrait[:, 80:400]
    return np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))


def told(peer, stranger, message, faces):
    """Send an image again and again until the stranger heard everything about one; return the answer to that one."""
    wanted = {'detections': 1, 'tracked': 1, 'expression': faces, 'roi': faces}
    answers = []

    def heard(answer):
        return {
            topic: len(stranger.about(topic, answer.header.stamp)) for topic in wanted
        } == wanted

    def once():
        # what is published of a new face before the stranger subscribed to its topics is not heard
        answers.append(peer.answer_to(message))
        assert len(answers[-1].faces) == faces
        peer.spin(0.1)
        return next((answer for answer in answers if heard(answer)), None)

    return peer.until(once, 20, 'the stranger to hear of an image')


def allowed(topic):
    """Tell whether the security policy lets the node publish a topic."""
    profile = ElementTree.parse(POLICY).find(f'.//profile[@node="{NODE}"]')
    names = [item.text.replace('~', NODE) for item in profile.findall('topics[@publish]/topic')]
    return any(fnmatch(topic, f'/{name}') for name in names)


def face_topics(peer):
    """Return the names in the topics that the node has for single faces."""
    published = peer.node.get_publisher_names_and_types_by_node(NODE, '/')
    topics = {topic for topic, _ in published if topic.startswith(f'{FACES}/')}
    return {topic.split('/')[3] for topic in topics if topic.count('/') == 4}


def check_detection(detection, emotion):
    """Compare what vision_msgs says of a face with what `emotion/faces` says."""
    box = emotion.box
    assert detection['id'] == str(emotion.face_id)
    assert detection['size'] == [box.width, box.height]
    assert detection['center'] == [box.x_offset + box.width / 2, box.y_offset + box.height / 2]
    assert detection['theta'] == 0
    (label, score), *others = detection['results']
    assert (label, score) == (emotion.label, emotion.confidence)
    assert {name for name, _ in others} == set(EMOTIONS) - {label}
    assert [share for _, share in others] == sorted((share for _, share in others), reverse=True)
    smoothed = dict(zip(EMOTIONS, emotion.smoothed_probabilities, strict=True))
    assert all(share == smoothed[name] for name, share in others)


def check_face(stranger, answer, emotion, name):
    """Compare what hri_msgs says of a face with what `emotion/faces` says."""
    (expression,) = [
        m for m in stranger.about('expression', answer.header.stamp) if m['id'] == name
    ]
    (roi,) = [m for m in stranger.about('roi', answer.header.stamp) if m['id'] == name]
    box, width, height = emotion.box, answer.image_width, answer.image_height
    expected = [
        box.x_offset / width, box.y_offset / height,
        (box.x_offset + box.width) / width, (box.y_offset + box.height) / height,
    ]  # fmt: skip
    assert roi['corners'] == pytest.approx(expected, abs=1e-6)
    assert all(0 <= corner <= 1 for corner in roi['corners'])
    assert roi['c'] == emotion.detection_score
    assert roi['frame'] == expression['frame'] == answer.header.frame_id == 'eye'
    certain = emotion.label != 'uncertain'
    assert expression['word'] == (HRI_WORDS[emotion.label] if certain else '')
    assert expression['confidence'] == (emotion.confidence if certain else 0)
    assert math.isnan(expression['valence'])
    assert math.isnan(expression['arousal'])


def check(stranger, answer):
    """Compare all that the stranger heard about one image with its EmotionArray; return the faces' names."""
    (detections,) = stranger.about('detections', answer.header.stamp)
    assert detections['frame'] == 'eye'
    (tracked,) = stranger.about('tracked', answer.header.stamp)
    assert len(detections['detections']) == len(answer.faces)
    for detection, emotion in zip(detections['detections'], answer.faces, strict=True):
        check_detection(detection, emotion)
    names = {int(name.rpartition('_')[2]): name for name in tracked['ids']}
    assert set(names) == {emotion.face_id for emotion in answer.faces}
    for emotion in answer.faces:
        check_face(stranger, answer, emotion, names[emotion.face_id])
    return set(names.values())


def test_the_interfaces_are_the_published_ones(installed):
    for name, published in PUBLISHED_HASHES.items():
        rows = json.loads((installed / 'share' / f'{name}.json').read_text())['type_hashes']
        assert {row['type_name']: row['hash_string'] for row in rows}[name] == published


def test_every_word_is_one_of_theirs(sourced):
    code = 'from hri_msgs.msg import Expression; print(*vars(type(Expression))["_Metaclass_Expression__constants"].values())'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert set(HRI_WORDS.values()) < set(done.stdout.split())


def test_two_faces_in_the_words_of_others(node, peer, stranger, portrait):
    message = bgr_to_image(two_people(portrait), Header(frame_id='eye'))
    answer = told(peer, stranger, message, faces=2)
    assert [face.label for face in answer.faces] == ['happiness', 'happiness']
    names = check(stranger, answer)
    assert face_topics(peer) == names
    published = {topic for topic, _ in peer.node.get_publisher_names_and_types_by_node(NODE, '/')}
    assert {topic for topic in published if not allowed(topic)} == {'/emotion/image'}
    said = stranger.about('expression', answer.header.stamp)
    assert [line['word'] for line in said] == ['happy', 'happy']


def test_uncertain_is_no_word_of_theirs(node, peer, stranger, portrait_message):
    assert peer.set_parameter('uncertain_below', 1.0) == (True, '')
    answer = told(peer, stranger, portrait_message, faces=1)
    assert answer.faces[0].label == 'uncertain'
    check(stranger, answer)
    (detections,) = stranger.about('detections', answer.header.stamp)
    said = detections['detections'][0]['results']
    assert [label for label, _ in said[:2]] == ['uncertain', 'happiness']
    assert len(said) == 8
    # whoever takes the first of the highest score takes `uncertain`
    assert max(said, key=lambda row: row[1])[0] == 'uncertain'


def test_a_face_that_left_leaves_no_topic(node, peer, stranger, portrait, portrait_message):
    assert peer.set_parameter('max_gap_s', 10.0) == (True, '')
    (name,) = check(stranger, told(peer, stranger, portrait_message, faces=1))
    nobody = bgr_to_image(np.full_like(portrait, 90), Header(frame_id='eye'))
    # not in this image, but still followed: a miss must not take the topics away
    answer = peer.answer_to(nobody)
    assert not answer.faces
    peer.until(lambda: stranger.about('tracked', answer.header.stamp), what='the list')
    assert stranger.about('tracked', answer.header.stamp)[0]['ids'] == [name]
    assert stranger.about('detections', answer.header.stamp)[0]['detections'] == []
    assert peer.set_parameter('max_gap_s', 0.0) == (True, '')
    answer = peer.answer_to(nobody)
    peer.until(lambda: stranger.about('tracked', answer.header.stamp), what='the list')
    assert stranger.about('tracked', answer.header.stamp)[0]['ids'] == []
    peer.until(lambda: face_topics(peer) == set(), what='the topics to go')
    assert peer.set_parameter('max_gap_s', 0.7) == (True, '')
    (again,) = check(stranger, told(peer, stranger, portrait_message, faces=1))
    assert again != name


def test_many_faces_leave_no_topics(node, peer, stranger, portrait):
    """Each image has another size, so that all faces are new ones."""
    seen = set()
    for number in range(25):
        picture = np.ascontiguousarray(two_people(portrait)[: 480 - 2 * number])
        answer = peer.answer_to(bgr_to_image(picture, Header(frame_id='eye')))
        assert len(answer.faces) == 2
        ids = {face.face_id for face in answer.faces}
        assert not ids & seen
        seen |= ids
    assert len(seen) == 50
    peer.until(
        lambda: {int(name.rpartition('_')[2]) for name in face_topics(peer)} == ids,
        what='the topics of the last two faces alone',
    )


def test_an_inactive_node_follows_nobody(node, peer, stranger, portrait_message):
    (name,) = check(stranger, told(peer, stranger, portrait_message, faces=1))
    assert peer.transition('deactivate')
    peer.until(lambda: stranger.heard('tracked')[-1]['ids'] == [], what='an empty list')
    peer.until(lambda: face_topics(peer) == set(), what='the topics to go')
    assert peer.transition('cleanup')
    peer.until(lambda: not peer.node.count_publishers(f'{FACES}/tracked'), what='the list to go')
    assert peer.node.count_publishers('emotion/detections') == 0
    for step in ('configure', 'activate'):
        assert peer.transition(step)
    peer.wait_for_node()
    (again,) = check(stranger, told(peer, stranger, portrait_message, faces=1))
    # face_id begins anew, the name does not return: nobody is taken for whoever was there before
    assert again.rpartition('_')[2] == name.rpartition('_')[2] == '1'
    assert again != name


def test_nobody_asked_for_them(sourced, start, peer, portrait_message):
    start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    assert len(peer.answer_to(portrait_message).faces) == 1
    topics = {topic for topic, _ in peer.node.get_topic_names_and_types()}
    assert not [topic for topic in topics if 'humans' in topic or 'detections' in topic]


@pytest.mark.parametrize('package', PACKAGES)
def test_without_the_package_one_line_says_what_to_install(
    start, peer, portrait_message, package, tmp_path, monkeypatch
):
    if importlib.util.find_spec(package):
        (tmp_path / f'{package}.py').write_text('raise ImportError("not here")\n')
        monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{os.environ["PYTHONPATH"]}')
    node = start('ros.emotion_node', autostart='true', **{package: 'true'})
    message = peer.status('cannot be configured')[0].message
    assert '\n' not in message
    assert f'the package {package} cannot be loaded' in message
    assert f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")}' in message
    assert peer.state() == 'unconfigured'
    assert 'Traceback' not in node.output
    assert peer.set_parameter(package, False) == (True, '')
    for step in ('configure', 'activate'):
        assert peer.transition(step)
    peer.wait_for_node()
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'


def test_ids_need_tracking(start, peer):
    start('ros.emotion_node', autostart='true', hri_msgs='true', tracking='false')
    message = peer.status('cannot be configured')[0].message
    assert 'REP-155 wants an id for each face' in message
    assert peer.state() == 'unconfigured'
