"""What the node shows of the people before it, and that it keeps nothing of them."""

import os
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.emotions import EMOTIONS
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr

ROOT = Path(__file__).parents[2]
POLICY = ROOT / 'config' / 'sros2_policy.xml'
DETAIL_LEFT = 0.05
"""At most this share of the face's detail may be left, the box's own line not counted."""


def detail(image, box):
    """Return the variance of the Laplacian inside a face's box."""
    margin = 8
    rows = slice(box.y_offset + margin, box.y_offset + box.height - margin)
    columns = slice(box.x_offset + margin, box.x_offset + box.width - margin)
    gray = cv2.cvtColor(image[rows, columns], cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_64F).var())


def annotated_answer(peer, message):
    """Subscribe to the annotated image; return an answer and the picture of the same image."""
    peer.node.create_subscription(
        Image, 'emotion/image', peer.annotated.append, qos_profile_sensor_data
    )
    peer.until(lambda: peer.node.count_publishers('emotion/image'), what='the publisher')
    peer.until(lambda: peer.answer_to(message) and peer.annotated, what='a picture')
    peer.spin(0.3)
    picture = peer.annotated[-1]
    answer = next(a for a in peer.arrays if a.header == picture.header)
    return answer, image_to_bgr(picture)


def test_blurred_hides_the_face_and_keeps_box_and_label(start, peer, portrait, portrait_message):
    start('ros.emotion_node', autostart='true', annotated_image='blurred')
    peer.wait_for_node()
    answer, picture = annotated_answer(peer, portrait_message)
    (face,) = answer.faces
    assert face.label == 'happiness'
    assert detail(picture, face.box) < DETAIL_LEFT * detail(portrait, face.box)
    changed = (picture != portrait).any(axis=-1)
    assert changed[face.box.y_offset, face.box.x_offset :][: face.box.width].mean() > 0.9
    assert not changed[:, :100].any()


def test_full_shows_the_face(start, peer, portrait, portrait_message):
    start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    answer, picture = annotated_answer(peer, portrait_message)
    box = answer.faces[0].box
    assert detail(picture, box) == pytest.approx(detail(portrait, box), rel=0.2)


def test_none_has_no_such_topic_and_everything_else_works(start, peer, portrait_message):
    start('ros.emotion_node', autostart='true', annotated_image='none')
    peer.wait_for_node()
    peer.node.create_subscription(Image, 'emotion/image', peer.annotated.append, 1)
    for _ in range(3):
        assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert peer.node.count_publishers('emotion/image') == 0
    assert peer.annotated == []
    published = peer.node.get_publisher_names_and_types_by_node('emotion_perception', '/')
    assert not [topic for topic, kinds in published if any('Image' in kind for kind in kinds)]


def test_it_changes_only_with_the_nodes_configuration(start, peer, portrait_message):
    start('ros.emotion_node', autostart='true', annotated_image='none')
    peer.wait_for_node()
    accepted, reason = peer.set_parameter('annotated_image', 'full')
    assert not accepted
    assert 'takes effect on configure' in reason
    assert 'one of full, blurred, none' in peer.set_parameter('annotated_image', 'some')[1]
    for step in ('deactivate', 'cleanup'):
        assert peer.transition(step)
    assert peer.set_parameter('annotated_image', 'blurred') == (True, '')
    for step in ('configure', 'activate'):
        assert peer.transition(step)
    peer.wait_for_node()
    assert len(annotated_answer(peer, portrait_message)[0].faces) == 1


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """Give processes that start from now on an empty folder for everything that they might write."""
    home = tmp_path / 'home'
    (home / 'tmp').mkdir(parents=True)
    for name in ('HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'):
        monkeypatch.setenv(name, str(home))
    for name in ('TMPDIR', 'TMP', 'TEMP'):
        monkeypatch.setenv(name, str(home / 'tmp'))
    for name in ('ROS_HOME', 'ROS_LOG_DIR'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}')
    monkeypatch.setenv('PYTHONDONTWRITEBYTECODE', '1')
    monkeypatch.chdir(home)
    return home


def written(pid):
    """Return how many bytes a process gave to the system to write, to whatever file, pipe or terminal."""
    lines = Path(f'/proc/{pid}/io').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('wchar')).split()[1])


def open_for_writing(pid):
    """Return the files on disk that a process holds open and may write; shared memory is none."""
    found = set()
    for entry in Path(f'/proc/{pid}/fd').iterdir():
        try:
            target, flags = os.readlink(entry), Path(f'/proc/{pid}/fdinfo/{entry.name}')
            mode = int(flags.read_text().splitlines()[1].split()[1], 8)
        except FileNotFoundError:
            continue
        on_disk = target.startswith('/') and not target.startswith(('/dev/', '/proc/', '/memfd:'))
        if on_disk and mode & os.O_ACCMODE != os.O_RDONLY:
            found.add(Path(target))
    return found


@pytest.mark.parametrize('annotated_image', ['full', 'blurred'])
def test_it_writes_nothing_while_it_serves(
    start, peer, portrait, portrait_message, empty_home, annotated_image
):
    """Faces, odd images, the annotated picture, the service: only ROS' own log lies there afterwards."""
    node = start('ros.emotion_node', autostart='true', annotated_image=annotated_image)
    peer.wait_for_node()
    peer.node.create_subscription(Image, 'emotion/image', peer.annotated.append, 1)
    peer.answer_to(portrait_message)
    pid, before, images = node._process.pid, written(node._process.pid), 40
    for shift in range(images):
        message = bgr_to_image(np.roll(portrait, 3 * shift, axis=1), Header())
        assert len(peer.answer_to(message).faces) == 1
    assert peer.annotated
    assert len(peer.classify(portrait_message).result.faces) == 1
    message.encoding = 'x264'
    peer.send(message)
    peer.status('could not be used')
    # less than a crop of 48x48 for each face
    print(f'{written(pid) - before} bytes written during {images} images')
    assert written(pid) - before < images * 48 * 48 / 2
    log = empty_home / '.ros' / 'log'
    # what it prints goes to a file of the test
    assert {path for path in open_for_writing(pid) if path.parent != log} == {node._log}
    node.stop()
    left = [path for path in empty_home.rglob('*') if path.is_file()]
    assert [path.parent for path in left] == [log] * len(left)
    assert sum(path.stat().st_size for path in left) < 20_000
    for path in left:
        assert path.suffix == '.log'
        said = path.read_text()
        assert 'ready: ' in said
        assert not [label for label in EMOTIONS if label in said]


def test_it_writes_nothing_of_compressed_images(start, peer, portrait, empty_home):
    node = start('ros.emotion_node', autostart='true', image_transport='compressed')
    peer.wait_for_node()
    message = CompressedImage(format='jpeg', data=cv2.imencode('.jpg', portrait)[1].tobytes())
    assert len(peer.answer_to(message).faces) == 1
    message.data = message.data[:5000]
    peer.send(message)
    peer.status('cut short')
    node.stop()
    left = [path for path in empty_home.rglob('*') if path.is_file()]
    assert {path.parent for path in left} <= {empty_home / '.ros' / 'log'}


@pytest.mark.parametrize('home', [None, '', '/dev/null/nobody', '/proc/nobody'])
def test_no_home_keeps_it_from_nothing(start, peer, portrait_message, monkeypatch, home):
    """Without a home folder, or where it cannot be written, there are no log files, and it works."""
    for name in ('ROS_HOME', 'ROS_LOG_DIR'):
        monkeypatch.delenv(name, raising=False)
    if home is None:
        monkeypatch.delenv('HOME')
    else:
        monkeypatch.setenv('HOME', home)
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert node.output.count('no log files are kept: ') == 1
    assert 'ready: detector blazeface' in node.output
    assert 'Traceback' not in node.output


def test_a_log_folder_that_can_be_written_is_not_spoken_of(start, peer, empty_home):
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    time.sleep(0.1)
    assert 'log files' not in node.output
    assert list((empty_home / '.ros' / 'log').glob('*.log'))


def allowed(node):
    """Return what the security policy allows a node: kind of use -> full names."""
    found = {}
    for profile in ElementTree.parse(POLICY).iter('profile'):
        if profile.get('node') != node:
            continue
        for group in profile:
            for use in group.attrib:
                names = [(item.text or '').replace('~', node) for item in group]
                found.setdefault(f'{use} {group.tag}', set()).update(f'/{name}' for name in names)
    return found


@pytest.mark.parametrize(
    ('node', 'module', 'arguments'),
    [
        ('emotion_perception', 'node', {'autostart': 'true', 'annotated_image': 'none'}),
        ('camera', 'camera_node', {}),
        ('behavior', 'behavior_node', {}),
    ],
)
def test_the_security_policy_names_what_each_node_uses(start, peer, node, module, arguments):
    start(module, **arguments)
    rules = allowed(node)
    waits_for = {'emotion_perception': 'image', 'camera': 'image', 'behavior': 'emotion'}[node]
    ask = peer.node

    def uses():
        try:
            topics = [
                {topic for topic, _ in look(node, '/')}
                for look in (
                    ask.get_publisher_names_and_types_by_node,
                    ask.get_subscriber_names_and_types_by_node,
                    ask.get_service_names_and_types_by_node,
                )
            ]
        except rclpy_implementation.NodeNameNonExistentError:
            return None
        return topics if f'/{waits_for}' in topics[0] | topics[1] else None

    published, subscribed, served = peer.until(uses, what='the node to come up')
    assert published <= rules['publish topics']
    assert subscribed <= rules['subscribe topics']
    assert served <= rules['reply services']
    pictures = {f'/{name}' for name in ('image', 'image/compressed', 'emotion/image')}
    sees = {'emotion_perception': {'/image', '/image/compressed'}}
    assert rules['subscribe topics'] & pictures == sees.get(node, set())
