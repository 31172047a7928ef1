# SPDX-License-Identifier: Apache-2.0
"""Write a self-contained HTML page about the emotions in a recording."""

import base64
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.bag.message_types import MessageTypes, emotion_topics
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.bag.results import (
    MAX_GAP_S,
    FaceTimeline,
    ImageResult,
    Segment,
    face_timelines,
    read_results,
)
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.errors import BagError, ImageError, one_line
from emotion_perception.files import whole_output
from emotion_perception.ros.conversions import image_to_bgr
from emotion_perception.runtime.quiet import without_library_notes
from emotion_perception.visualization import COLORS

MAX_FACES = 40
"""Faces in the timeline: those in the most images."""

MAX_IMAGES = 120
"""Small images of faces on the page."""

_IMAGE_PX = 96
_MAX_POINTS = 600  # of each confidence line
_MAX_AGE_S = 3600.0  # an image with a larger age was taken before the node ran


def report_bag(
    source: Path, out: Path, namespace: str = '', images_of: Path | None = None, topic: str = ''
) -> None:
    """
    Write the page.

    Args:
        source: a recording with emotions, as `process_bag` and `play_bag` make them.
        out: the page; must not exist.
        namespace: of the topics with the emotions.
        images_of: recording with the images of which faces are shown where a label changes; None
            shows none.
        topic: of these images.

    Raises:
        BagError: if there are no emotions, or `images_of` holds no images.
        OSError: if `out` exists or cannot be written.

    """
    types = MessageTypes()
    with whole_output(out) as partial:
        with open_bag(source) as bag:
            results = list(read_results(bag, emotion_topics(namespace)[1], types))
        if not results:
            raise BagError(f'{source} holds no emotions')
        timelines = face_timelines(results)
        shown = sorted(timelines, key=lambda face: (-face.images, face.face_id))[:MAX_FACES]
        shown.sort(key=lambda face: face.face_id)
        images = _face_images(images_of, topic, shown, types) if images_of else {}
        page = _render(one_line(source.name), results, timelines, shown, images)
        partial.write_text(page, encoding='utf-8')


def _render(
    name: str,
    results: list[ImageResult],
    timelines: list[FaceTimeline],
    shown: list[FaceTimeline],
    images: dict[int, list[dict[str, Any]]],
) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    duration_s = max((results[-1].stamp_ns - results[0].stamp_ns) / 1e9, 1e-3)
    return environment.get_template('report.html').render(
        name=name,
        statistics=_statistics(results, len(timelines)),
        rows=[_row(timeline, duration_s) for timeline in shown],
        hidden=len(timelines) - len(shown),
        ticks=[(time_s, 1000 * time_s / duration_s) for time_s in _ticks(duration_s)],
        colors={label: _css_color(label) for label in (*EMOTIONS, UNCERTAIN)},
        images=images,
    )


def _statistics(results: list[ImageResult], faces: int) -> list[tuple[str, str]]:
    """Return name and text of each number about the whole recording."""
    stamps_s = np.array([result.stamp_ns for result in results]) / 1e9
    duration_s = stamps_s[-1] - stamps_s[0]
    rows = [
        ('images with a result', str(len(results))),
        ('time from first to last', f'{duration_s:.2f} s'),
        ('faces', str(faces)),
        ('images with a face', f'{sum(bool(result.faces) for result in results)}'),
        ('most faces in one image', str(max(len(result.faces) for result in results))),
    ]
    if duration_s > 0:
        gap_s = float(np.diff(stamps_s).max())
        rows.append(('images per second', f'{(len(results) - 1) / duration_s:.2f}'))
        rows.append(('longest time without a result', f'{gap_s * 1000:.0f} ms'))
    dropped = results[-1].dropped - results[0].dropped
    if dropped > 0:
        rows.append(('frames dropped by the node', str(dropped)))
    processing_s = np.array([result.processing_s for result in results])
    age_s = np.array([result.age_s for result in results])
    rows.append(('processing time', _percentiles(processing_s)))
    rows.append(('age of the results', _percentiles(age_s)))
    return rows


def _percentiles(values_s: np.ndarray) -> str:
    values_s = values_s[~np.isnan(values_s)]
    if not values_s.size:
        return 'not measured'
    if np.median(values_s) > _MAX_AGE_S:
        return 'not measured: the images were taken before the node ran'
    p50, p99 = np.percentile(values_s, (50, 99)) * 1000
    return f'median {p50:.1f} ms, p99 {p99:.1f} ms, maximum {values_s.max() * 1000:.1f} ms'


def _css_color(label: str) -> str:
    blue, green, red = COLORS.get(label, COLORS[UNCERTAIN])
    return f'#{red:02x}{green:02x}{blue:02x}'


def _row(timeline: FaceTimeline, duration_s: float) -> dict[str, Any]:
    """Return a face's row of the timeline, 1000 units wide; the confidence is 24 units high."""
    points = timeline.confidences[:: max(math.ceil(len(timeline.confidences) / _MAX_POINTS), 1)]
    seconds: dict[str, float] = defaultdict(float)
    bands = []
    for segment in timeline.segments:
        segment_s = segment.end_s - segment.start_s
        seconds[segment.label] += segment_s
        left, width = 1000 * segment.start_s / duration_s, 1000 * segment_s / duration_s
        bands.append((segment, left, max(width, 1.0), _css_color(segment.label)))
    return {
        'face_id': timeline.face_id,
        'images': timeline.images,
        'segments': bands,
        'lines': _confidence_lines(points, duration_s),
        'seconds': sorted(seconds.items(), key=lambda row: -row[1]),
    }


def _confidence_lines(points: list[tuple[float, float]], duration_s: float) -> list[str]:
    """Return the points of SVG polylines; a gap in the detections starts a new line."""
    max_step_s = duration_s / _MAX_POINTS + MAX_GAP_S
    lines: list[list[str]] = []
    last_s = -math.inf
    for time_s, confidence in points:
        if not 0 <= time_s - last_s <= max_step_s:
            lines.append([])
        lines[-1].append(f'{1000 * time_s / duration_s:.1f},{24 - 24 * confidence:.1f}')
        last_s = time_s
    return [' '.join(line) for line in lines]


def _ticks(duration_s: float) -> list[float]:
    """Return the times of at most 13 marks on the time axis (more after a day)."""
    steps = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600)
    step = next((step for step in steps if duration_s / step <= 12), 7200)
    return [index * step for index in range(int(duration_s / step) + 1)]


def _face_images(
    source: Path, topic: str, shown: list[FaceTimeline], types: MessageTypes
) -> dict[int, list[dict[str, Any]]]:
    """Return a small image of the face at each change of its label, by face id."""
    segments = [(timeline.face_id, one) for timeline in shown for one in timeline.segments]
    segments = sorted(segments, key=lambda row: row[1].stamp_ns)[:MAX_IMAGES]
    wanted: dict[int, list[tuple[int, Segment]]] = defaultdict(list)
    for face_id, segment in segments:
        wanted[segment.stamp_ns].append((face_id, segment))
    images: dict[int, list[dict[str, Any]]] = defaultdict(list)
    with open_bag(source) as bag:
        connections = image_connections(bag, topic)
        total = sum(one.msgcount for one in connections)
        for connection, recorded_ns, data in tqdm(
            bag.messages(connections), total=total, unit='image', desc='images', disable=None
        ):
            try:
                message = types.decode_image(data, connection.msgtype)
                stamp = message.header.stamp
                stamp_ns = stamp.sec * 10**9 + stamp.nanosec or recorded_ns
                if stamp_ns not in wanted:
                    continue
                with without_library_notes():
                    image = image_to_bgr(message)
            except (ImageError, cv2.error):
                continue
            for face_id, segment in wanted.pop(stamp_ns):
                uri = _data_uri(image, segment.box)
                images[face_id].append({'segment': segment, 'uri': uri})
    return images


def _data_uri(image: np.ndarray, box: tuple[int, int, int, int]) -> str:
    """Return the face and its surroundings as a jpeg data URI."""
    x, y, width, height = box
    side = max(width, height, 1)
    top, left = max(y + height // 2 - side, 0), max(x + width // 2 - side, 0)
    part = image[top : top + 2 * side, left : left + 2 * side]
    if not part.size:
        part = image
    scale = _IMAGE_PX / part.shape[0]
    size = max(min(round(part.shape[1] * scale), 3 * _IMAGE_PX), 1), _IMAGE_PX
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    blob = cv2.imencode('.jpg', small, (cv2.IMWRITE_JPEG_QUALITY, 85))[1].tobytes()
    return 'data:image/jpeg;base64,' + base64.b64encode(blob).decode()
