"""Messages to the bytes of a recording and back; the definitions that a recording carries with them."""

import array
import re
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
from rclpy.exceptions import InvalidTopicNameException
from rclpy.serialization import serialize_message
from rclpy.validate_full_topic_name import validate_full_topic_name
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.bag.printable import visible
from emotion_perception.errors import BagError, ImageError

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
EMOTION = 'emotion_msgs/msg/Emotion'
EMOTIONS_OF_IMAGE = 'emotion_msgs/msg/EmotionArray'


_LONGEST_DEFINITION = 2**20
_MOST_BRACKETS = 20


def checked_topic(name: str) -> str:
    """
    Return the whole name of a topic, with `/` in front.

    Raises:
        BagError: if ROS knows no such names.

    """
    whole = f'/{name.lstrip("/")}'
    try:
        validate_full_topic_name(whole)
    except InvalidTopicNameException:
        raise BagError(
            f"'{visible(name)}' is no name of a topic: letters, digits, _ and / between them, "
            'no digit first'
        ) from None
    return whole


def emotion_topics(namespace: str = '') -> tuple[str, str]:
    """
    Return the names of the topics for Emotion and EmotionArray.

    Raises:
        BagError: if the namespace is none.

    """
    inside = namespace.strip('/')
    prefix = checked_topic(inside) if inside else ''
    return f'{prefix}/emotion', f'{prefix}/emotion/faces'


class MessageTypes:
    """Knows ROS 2's own messages and emotion_msgs'."""

    def __init__(self) -> None:
        """Read the definitions of emotion_msgs as they were built."""
        self._store = get_typestore(Stores.ROS2_JAZZY)
        folder = Path(get_package_share_directory('emotion_msgs')) / 'msg'
        for name in (EMOTION, EMOTIONS_OF_IMAGE):
            text = (folder / f'{name.rpartition("/")[2]}.msg').read_text(encoding='utf-8')
            self._store.register(get_types_from_msg(text, name))

    def define(self, msgtype: str) -> tuple[str, str]:
        """Return the text of a known type's definition, and its RIHS01 hash."""
        return self._store.generate_msgdef(msgtype, ros_version=2)[0], self._store.hash_rihs01(
            msgtype
        )

    def encode(self, message: Any, msgtype: str) -> bytes:
        """
        Return a ROS message as CDR, always the same bytes for the same message.

        What rclpy itself returns holds stray bytes of memory where values are padded; so does the
        same message twice. The second encoder fills them with zeros.
        """
        loose = self._store.deserialize_cdr(serialize_message(message), msgtype)
        return bytes(self._store.serialize_cdr(loose, msgtype))

    def decode(self, data: bytes, msgtype: str) -> Any:
        """
        Return what CDR bytes hold, with the fields that the definition names.

        Raises:
            BagError: if they do not hold a message of this type.

        """
        try:
            return self._store.deserialize_cdr(data, msgtype)
        except SerdeError as error:
            raise BagError(f'a damaged {msgtype}: {error}') from None

    def decode_image(self, data: bytes, msgtype: str) -> Image | CompressedImage:
        """
        Return the image message in CDR bytes as a node would receive it.

        Raises:
            ImageError: if they do not hold one.

        """
        try:
            found = self.decode(data, msgtype)
        except BagError as error:
            raise ImageError('message damaged', str(error)) from None
        stamp = Time(sec=found.header.stamp.sec, nanosec=found.header.stamp.nanosec)
        header = Header(stamp=stamp, frame_id=found.header.frame_id)
        pixels = array.array('B')
        pixels.frombytes(memoryview(found.data))
        if msgtype == COMPRESSED:
            image = CompressedImage(header=header, format=found.format)
        else:
            image = Image(
                header=header, height=found.height, width=found.width, encoding=found.encoding,
                is_bigendian=found.is_bigendian, step=found.step,
            )  # fmt: skip
        image.data = pixels
        return image

    def definition_of(self, connection: Connection) -> tuple[str, str] | None:
        """
        Return definition and hash of a recorded topic's type; None where nobody knows them.

        They are the recording's own where it has them; recordings of ROS 2 Humble and before have none.
        """
        text, digest = connection.msgdef.data, connection.digest
        if connection.msgdef.format == MessageDefinitionFormat.NONE or not text:
            known = connection.msgtype in self._store.fielddefs
            return self.define(connection.msgtype) if known else None
        if not digest:
            digest = hash_definition(connection.msgtype, text, connection.msgdef.format)
        return (text, digest) if digest else None


def hash_definition(msgtype: str, text: str, form: MessageDefinitionFormat) -> str:
    """Return the RIHS01 hash of a definition, empty where it cannot be parsed."""
    if len(text) > _LONGEST_DEFINITION or _is_endless(text):
        return ''
    store = get_typestore(Stores.EMPTY)
    try:
        if form == MessageDefinitionFormat.MSG:
            store.register(get_types_from_msg(text, msgtype))
        else:
            for part in text.split('=' * 80 + '\n'):
                body = part.partition('\n')[2] if part.startswith('IDL: ') else part
                if body.strip():
                    store.register(get_types_from_idl(body))
        return store.hash_rihs01(msgtype)
    except Exception:
        # a definition that somebody else wrote; whatever is odd in it, its topic is left out and named
        return ''


def _is_endless(text: str) -> bool:
    """Tell whether rosbags' parser would not come to an end: each bracket inside another takes forty times longer."""
    plain = re.sub(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|//[^\n]*', ' ', text, flags=re.DOTALL)
    rest = re.sub(r'@\s*[\w:]+\s*\([^()]*\)', ' ', plain)
    return rest.count('(') > _MOST_BRACKETS or re.search(r'\([^)]*\(', rest) is not None
