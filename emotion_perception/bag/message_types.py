# SPDX-License-Identifier: Apache-2.0
"""Message types and topic names of a recording; ROS messages to CDR bytes and back."""

import array
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.errors import BagError, ImageError, one_line

RAW = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
EMOTION = 'emotion_msgs/msg/Emotion'
EMOTIONS_OF_IMAGE = 'emotion_msgs/msg/EmotionArray'

_MAX_TEXT = 120
_MAX_TOPIC = 247  # RMW_TOPIC_MAX_NAME_LENGTH
_MAX_DEFINITION = 2**20
_MAX_BRACKETS = 20


def printable(text: str) -> str:
    """Return text from a recording as one short line without control characters."""
    shown = one_line(text[: _MAX_TEXT + 1])
    return shown if len(text) <= _MAX_TEXT else f'{shown[:_MAX_TEXT]}...'


def full_topic_name(name: str) -> str:
    """
    Return the full name of a topic, with `/` in front.

    Raises:
        BagError: if it is not a valid name in ROS.

    """
    full = f'/{name.lstrip("/")}'
    if len(full) > _MAX_TOPIC or not re.fullmatch(r'(/[A-Za-z_][A-Za-z0-9_]*)+', full):
        raise BagError(
            f"'{printable(name)}' is not a valid topic name: use letters, digits and _ with / "
            'between the parts, and no digit at the beginning of a part'
        )
    return full


def emotion_topics(namespace: str = '') -> tuple[str, str]:
    """
    Return the names of the topics with Emotion and EmotionArray messages.

    Raises:
        BagError: if the namespace is not a valid name in ROS.

    """
    inside = namespace.strip('/')
    prefix = full_topic_name(inside) if inside else ''
    return f'{prefix}/emotion', f'{prefix}/emotion/faces'


class MessageTypes:
    """Serializes the messages of ROS 2 and of emotion_msgs."""

    def __init__(self) -> None:
        """Read the definitions of the built emotion_msgs."""
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._earlier: dict[str, Typestore | None] = {}
        folder = Path(get_package_share_directory('emotion_msgs')) / 'msg'
        for name in (EMOTION, EMOTIONS_OF_IMAGE):
            text = (folder / f'{name.rpartition("/")[2]}.msg').read_text(encoding='utf-8')
            self._store.register(get_types_from_msg(text, name))

    def define(self, msgtype: str) -> tuple[str, str]:
        """Return the text of a known type's definition, and its RIHS01 hash."""
        text, _ = self._store.generate_msgdef(msgtype, ros_version=2)
        return text, self._store.hash_rihs01(msgtype)

    def encode(self, message: Any, msgtype: str) -> bytes:
        """
        Return a ROS message as CDR, always the same bytes for the same message.

        rclpy's own serialization leaves stray bytes of memory where values are padded; rosbags
        writes zeros there.
        """
        return bytes(self._store.serialize_cdr(_with_numpy_arrays(message), msgtype))

    def decode(self, data: bytes, msgtype: str, store: Typestore | None = None) -> Any:
        """
        Return the message in CDR bytes, with the fields of its definition, in `store` if given.

        Raises:
            BagError: if they do not hold a message of this type.

        """
        try:
            return (store or self._store).deserialize_cdr(data, msgtype)
        except SerdeError as error:
            raise BagError(f'a damaged {msgtype}: {error}') from None

    def decode_recorded(self, data: bytes, connection: Connection) -> Any:
        """
        Return the message in CDR bytes of a recording, with the fields that it had then.

        A recording of an earlier emotion_msgs is read by the definition that it holds.

        Raises:
            BagError: if they do not hold a message of this type.

        """
        text, msgtype = connection.msgdef.data, connection.msgtype
        if text not in self._earlier:
            self._earlier[text] = self._earlier_store(connection)
        return self.decode(data, msgtype, self._earlier[text])

    def _earlier_store(self, connection: Connection) -> Typestore | None:
        """Return the types of a recording if they differ from today's and can be parsed."""
        text, form = connection.msgdef.data, connection.msgdef.format
        if form != MessageDefinitionFormat.MSG or not text:
            return None
        digest = hash_definition(connection.msgtype, text, form)
        if not digest or digest == self.define(connection.msgtype)[1]:
            return None
        store = get_typestore(Stores.EMPTY)
        store.register(get_types_from_msg(text, connection.msgtype))
        return store

    def decode_image(self, data: bytes, msgtype: str) -> Image | CompressedImage:
        """
        Return the image message in CDR bytes as a node would receive it.

        Raises:
            ImageError: if they do not hold one.

        """
        try:
            read = self.decode(data, msgtype)
        except BagError as error:
            raise ImageError('message damaged', str(error)) from None
        stamp = Time(sec=read.header.stamp.sec, nanosec=read.header.stamp.nanosec)
        header = Header(stamp=stamp, frame_id=read.header.frame_id)
        pixels = array.array('B')
        pixels.frombytes(memoryview(read.data))
        if msgtype == COMPRESSED:
            image = CompressedImage(header=header, format=read.format)
        else:
            image = Image(
                header=header,
                height=read.height,
                width=read.width,
                encoding=read.encoding,
                is_bigendian=read.is_bigendian,
                step=read.step,
            )
        image.data = pixels
        return image

    def definition_of(self, connection: Connection) -> tuple[str, str] | None:
        """
        Return the definition and hash of a recorded topic's type; None where they are not known.

        They are the recording's own where it has them; those of ROS 2 Humble and before do not.
        """
        text, digest = connection.msgdef.data, connection.digest
        if connection.msgdef.format == MessageDefinitionFormat.NONE or not text:
            known = connection.msgtype in self._store.fielddefs
            return self.define(connection.msgtype) if known else None
        if not digest:
            digest = hash_definition(connection.msgtype, text, connection.msgdef.format)
        return (text, digest) if digest else None


def _with_numpy_arrays(value: Any) -> Any:
    """Return a ROS message with NumPy arrays in place of `array.array`, as rosbags needs it."""
    if isinstance(value, array.array):
        return np.frombuffer(value, value.typecode) if value else np.zeros(0, value.typecode)
    if isinstance(value, list):
        return [_with_numpy_arrays(item) for item in value]
    if not hasattr(value, 'get_fields_and_field_types'):
        return value
    names = value.get_fields_and_field_types()
    return SimpleNamespace(**{name: _with_numpy_arrays(getattr(value, name)) for name in names})


def hash_definition(msgtype: str, text: str, form: MessageDefinitionFormat) -> str:
    """Return the RIHS01 hash of a definition, empty where it cannot be parsed."""
    if len(text) > _MAX_DEFINITION or _takes_too_long(text):
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
        # rosbags raises errors of many kinds; the topic is then reported as not copied
        return ''


def _takes_too_long(text: str) -> bool:
    """Return whether rosbags might parse for hours: 40 times longer for each nested bracket."""
    plain = re.sub(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|//[^\n]*', ' ', text, flags=re.DOTALL)
    rest = re.sub(r'@\s*[\w:]+\s*\([^()]*\)', ' ', plain)
    return rest.count('(') > _MAX_BRACKETS or re.search(r'\([^)]*\(', rest) is not None
