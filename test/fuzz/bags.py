"""Targets that read recordings: mcap and sqlite3 files, metadata.yaml, and message definitions."""

import struct
from contextlib import suppress
from pathlib import Path

from fuzz.targets import Run, Target


def _refused(error: Exception) -> str:
    """Return what the project's error hides: what the library underneath stumbled over, and where."""
    hidden = error.__context__
    if hidden is None:
        return 'refused'
    step = hidden.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    where = f'{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}' if step else '?'
    return f'refused: {type(hidden).__name__} in {where}'


def _reader(path: Path) -> Run:
    from emotion_perception.bag.message_types import MessageTypes
    from emotion_perception.bag.reading import image_connections, open_bag
    from emotion_perception.bag.results import read_results
    from emotion_perception.errors import BagError, ImageError

    types = MessageTypes()

    def read_all() -> str:
        with open_bag(path) as bag:
            for connection in bag.connections:
                types.definition_of(connection)
            images = image_connections(bag)
            for count, (connection, _, data) in enumerate(bag.messages(images)):
                with suppress(ImageError):
                    types.decode_image(data, connection.msgtype)
                if count == 50:
                    break
            bag.missing(images)
            if bag.on('/emotion/faces'):
                list(read_results(bag, '/emotion/faces', types))
        return 'read'

    def run(data: bytes) -> str:
        try:
            return read_all()
        except BagError as error:
            assert str(error).isprintable(), str(error)
            return _refused(error)

    return run


def _file_target(name: str, what: str) -> Target:
    """Return the target whose bytes are the file `name` of a recording."""

    def load(folder: Path) -> Run:
        path = folder / 'bag' / name
        if name == 'metadata.yaml':
            write_bags(folder)
            (folder / 'mcap').rename(folder / 'bag')
            run = _reader(folder / 'bag')
        else:
            path.parent.mkdir()
            run = _reader(path)

        def read(data: bytes) -> str:
            path.write_bytes(data)
            return run(data)

        return read

    def seeds(folder: Path) -> list[bytes]:
        write_bags(folder)
        found = [bag / name for bag in sorted(folder.iterdir()) if (bag / name).is_file()]
        made = [path.read_bytes() for path in found]
        return made + (_unindexed(made) if name == 'bag.mcap' else [])

    return Target(what, load, seeds)


def _unindexed(files: list[bytes]) -> list[bytes]:
    """Return mcap files whose footer names no index, which is read in another way."""
    footer = struct.pack('<BQQQI', 2, 20, 0, 0, 0) + b'\x89MCAP0\r\n'
    return [data[: -len(footer)] + footer for data in files]


def write_bags(folder: Path) -> None:
    """Write small recordings of every kind into folders named after it."""
    import numpy as np
    from std_msgs.msg import Header

    from emotion_perception.bag.message_types import (
        EMOTIONS_OF_IMAGE,
        RAW,
        MessageTypes,
        emotion_topics,
    )
    from emotion_perception.bag.writing import STORAGES, new_bag
    from emotion_perception.ros.conversions import bgr_to_image, time_message, to_emotion_array

    types = MessageTypes()
    faces = emotion_topics()[1], EMOTIONS_OF_IMAGE, types.define(EMOTIONS_OF_IMAGE)
    for storage in STORAGES:
        for compress in (False, True):
            with new_bag(folder / (storage + '_small' * compress), storage, compress) as new:
                images = new.add_topic('/eye', RAW, types.define(RAW))
                told = new.add_topic(*faces)
                for number in range(3):
                    header = Header(stamp=time_message(10**9 * (number + 1)), frame_id='eye')
                    image = bgr_to_image(np.full((6, 8, 3), 40 * number, np.uint8), header)
                    array = to_emotion_array([], header, (6, 8, 3))
                    new.write(images, number, types.encode(image, RAW))
                    new.write(told, number, types.encode(array, EMOTIONS_OF_IMAGE))


def _load_definition(folder: Path) -> Run:
    from rosbags.interfaces import MessageDefinitionFormat

    from emotion_perception.bag.message_types import hash_definition

    def run(data: bytes) -> str:
        kind = MessageDefinitionFormat.IDL if data[:1] == b'\1' else MessageDefinitionFormat.MSG
        text = data[1:].decode(errors='replace')
        return 'read' if hash_definition('a_msgs/msg/Thing', text, kind) else 'refused'

    return run


def _definition_seeds(folder: Path) -> list[bytes]:
    idl = (
        '='
        * 80
        + '\nIDL: a_msgs/msg/Thing\n#include "std_msgs/msg/Header.idl"\nmodule a_msgs {\n  module msg {\n'
        '    module Thing_Constants { const int8 ONE = 1; const string NAME = "x"; };\n'
        '    typedef double three[3];\n'
        '    @verbatim (language="comment", text="a" "b")\n    struct Thing {\n'
        '      @default (value=3)\n      long number; // of it\n      sequence<string, 5> names;\n'
        '      three place; a_msgs::msg::Thing again; wstring<4> w; enum E { A, B }; };\n  };\n};\n'
    )
    msg = (
        'int32 ONE=1\nstring NAME="x"\nfloat64[3] place [1.0, 2.0, 3.0]\nstring<=5[<=4] names\n'
        'Other other # of it\nuint8[] data\n'
        + '=' * 80
        + '\nMSG: a_msgs/Other\nbool yes true\ntime t\n'
    )
    return [b'\0' + msg.encode(), b'\1' + idl.encode()]


TARGETS = {
    'mcap': _file_target('bag.mcap', 'recordings, mcap'),
    'sqlite3': _file_target('bag.db3', 'recordings, sqlite3'),
    'metadata': _file_target('metadata.yaml', 'metadata.yaml of recordings'),
    'definition': Target('message definitions (.msg, .idl)', _load_definition, _definition_seeds),
}
