# SPDX-License-Identifier: Apache-2.0
"""One table of the people in many recordings and the expressions that they showed."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from emotion_perception.bag.message_types import MessageTypes, emotion_topics
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.bag.results import face_timelines, read_results
from emotion_perception.errors import one_line
from emotion_perception.files import whole_output


class Row(NamedTuple):
    """
    A time in which a person showed one expression; times are in nanoseconds since 1970, UTC.

    Attributes:
        recording: its name.
        topic: of the images.
        face_id: of the person; counts from 1 in each recording.
        first_seen: time of the first image with the person.
        last_seen: time of the last one.
        expression: the label, which may be `uncertain`.
        start: time of the first image with this expression.
        end: when another label began, or when the face was last detected.
        seconds: from start to end.
        images: number of images with the person in this time.
        mean_confidence: of the label in these images.

    """

    recording: str
    topic: str
    face_id: int
    first_seen: int
    last_seen: int
    expression: str
    start: int
    end: int
    seconds: float
    images: int
    mean_confidence: float


def table_rows(name: str, source: Path, topic: str, processed: Path, namespace: str) -> list[Row]:
    """
    Return the rows of one recording, by person and time.

    Args:
        name: of the recording in the table.
        source: the recording.
        topic: of its images; empty where it has one topic with images.
        processed: its result, as `process_bag` makes it.
        namespace: of the topics with the emotions.

    Raises:
        BagError: if one of the two cannot be read.

    """
    with open_bag(source) as bag:
        topic = image_connections(bag, topic)[0].topic
    with open_bag(processed) as bag:
        results = read_results(bag, emotion_topics(namespace)[1], MessageTypes())
        timelines = face_timelines(results)
    rows = []
    for timeline in timelines:
        spans = [
            (one, one.stamp_ns, one.stamp_ns + round((one.end_s - one.start_s) * 1e9))
            for one in timeline.segments
        ]
        first, last = min(start for _, start, _ in spans), max(end for _, _, end in spans)
        rows += [
            Row(
                one_line(name),
                one_line(topic),
                timeline.face_id,
                first,
                last,
                segment.label,
                start,
                end,
                (end - start) / 1e9,
                segment.images,
                segment.confidence_sum / segment.images,
            )
            for segment, start, end in spans
        ]
    return rows


def write_table(rows: Iterable[Row], out: Path) -> None:
    """
    Write a parquet file; the same rows give the same bytes.

    Args:
        rows: in the order of the file.
        out: the file; must not exist.

    Raises:
        OSError: if `out` exists or cannot be written.

    """
    import pyarrow as pa
    from pyarrow import parquet

    time = pa.timestamp('us', tz='UTC')
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    times = ('first_seen', 'last_seen', 'start', 'end')
    schema = pa.schema(
        [
            (name, time if name in times else kinds[kind])
            for name, kind in Row.__annotations__.items()
        ]
    )
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
    arrays = [
        pa.array([value // 1000 for value in values] if name in times else values, kind)
        for name, kind, values in zip(schema.names, schema.types, columns, strict=True)
    ]
    with whole_output(out, out.name) as partial:
        parquet.write_table(pa.table(arrays, schema=schema), partial)
