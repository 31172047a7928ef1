"""Turn the answers in a recording into one self-contained HTML page."""

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
from emotion_perception.bag.results import MAX_GAP_S, Answer, Segment, Story, read_answers, stories
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.errors import BagError, ImageError
from emotion_perception.ros.conversions import image_to_bgr
from emotion_perception.visualization import COLORS

MOST_FACES = 40
"""Rows of the timeline: the faces that were seen longest."""

MOST_PICTURES = 120
_PICTURE_PX = 96
_POINTS = 600  # of each line of confidence
_OLD_S = 3600.0  # an image "older" than this was not taken while the node ran


def report_bag(
    source: Path, out: Path, namespace: str = '', pictures_of: Path | None = None, topic: str = ''
) -> None:
    """
    Write the report.

    Args:
        source: a recording with answers, as `process_bag` and `play_bag` make them.
        out: the page; must not exist.
        namespace: in front of the names of the answers' topics.
        pictures_of: the recording whose images are shown where a label changes, as small cut-outs;
            None shows none.
        topic: of these images.

    Raises:
        BagError: if there are no answers, `pictures_of` holds no images, or `out` cannot be written.

    """
    if out.exists():
        raise BagError(f'{out} exists already; remove it or choose another name')
    types = MessageTypes()
    with open_bag(source) as bag:
        answers = list(read_answers(bag, emotion_topics(namespace)[1], types))
    if not answers:
        raise BagError(f'{source} holds no answers')
    told = stories(answers)
    shown = sorted(told, key=lambda story: (-story.frames, story.face_id))[:MOST_FACES]
    shown.sort(key=lambda story: story.face_id)
    pictures = _pictures(pictures_of, topic, shown, types) if pictures_of else {}
    page = render(source.name, answers, told, shown, pictures)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f'.{out.name}.partial')
    try:
        partial.write_text(page, encoding='utf-8')
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def render(
    name: str,
    answers: list[Answer],
    told: list[Story],
    shown: list[Story],
    pictures: dict[int, list[dict[str, Any]]],
) -> str:
    """
    Return the page: no file or script from elsewhere.

    Args:
        name: of the recording.
        answers: of it.
        told: story of each face.
        shown: those that the timeline shows.
        pictures: by face id: time, label and picture (data URI) of each change.

    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    span_s = max((answers[-1].stamp_ns - answers[0].stamp_ns) / 1e9, 1e-3)
    return environment.get_template('report.html').render(
        name=name,
        figures=figures(answers, told),
        rows=[_row(story, span_s) for story in shown],
        hidden=len(told) - len(shown),
        ticks=[(time_s, 1000 * time_s / span_s) for time_s in _ticks(span_s)],
        colors={label: _css(label) for label in (*EMOTIONS, UNCERTAIN)},
        pictures=pictures,
    )


def figures(answers: list[Answer], told: list[Story]) -> list[tuple[str, str]]:
    """Return what is known of the whole recording as pairs of name and text."""
    stamps_s = np.array([answer.stamp_ns for answer in answers]) / 1e9
    span_s = stamps_s[-1] - stamps_s[0]
    rows = [
        ('images answered', str(len(answers))),
        ('time between first and last', f'{span_s:.2f} s'),
        ('faces', str(len(told))),
        ('images with a face', f'{sum(bool(a.faces) for a in answers)}'),
        ('most faces in one image', str(max(len(answer.faces) for answer in answers))),
    ]
    if span_s > 0:
        gap_s = float(np.diff(stamps_s).max())
        rows.append(('images a second', f'{(len(answers) - 1) / span_s:.2f}'))
        rows.append(('longest time without an answer', f'{gap_s * 1000:.0f} ms'))
    skipped = answers[-1].skipped - answers[0].skipped
    if skipped > 0:
        rows.append(('images passed over by the node', str(skipped)))
    for what, values in (
        ('time spent on an image', [answer.processing_s for answer in answers]),
        ('age of an image when answered', [answer.age_s for answer in answers]),
    ):
        rows.append((what, _latency(np.array(values))))
    return rows


def _latency(values_s: np.ndarray) -> str:
    values_s = values_s[~np.isnan(values_s)]
    if not values_s.size:
        return 'not measured'
    if np.median(values_s) > _OLD_S:
        return 'not measured: the images were taken before the node ran'
    p50, p99 = np.percentile(values_s, (50, 99)) * 1000
    return f'median {p50:.1f} ms, 99 % below {p99:.1f} ms, at most {values_s.max() * 1000:.1f} ms'


def _css(label: str) -> str:
    blue, green, red = COLORS.get(label, COLORS[UNCERTAIN])
    return f'#{red:02x}{green:02x}{blue:02x}'


def _row(story: Story, span_s: float) -> dict[str, Any]:
    """Return what the timeline shows of a face; it is 1000 units wide, confidence 24 high."""
    points = story.confidences[:: max(math.ceil(len(story.confidences) / _POINTS), 1)]
    seconds: dict[str, float] = defaultdict(float)
    for segment in story.segments:
        seconds[segment.label] += segment.end_s - segment.start_s
    return {
        'face_id': story.face_id,
        'images': story.frames,
        'segments': [
            (segment, 1000 * segment.start_s / span_s,
             max(1000 * (segment.end_s - segment.start_s) / span_s, 1.0), _css(segment.label))
            for segment in story.segments
        ],
        'lines': _lines(points, span_s),
        'shares': sorted(seconds.items(), key=lambda share: -share[1]),
    }  # fmt: skip


def _lines(points: list[tuple[float, float]], span_s: float) -> list[str]:
    """Return lines of confidence as points of a polyline, a new one after each time without the face."""
    usual_s = span_s / _POINTS + MAX_GAP_S
    lines: list[list[str]] = []
    before_s = -math.inf
    for time_s, confidence in points:
        if not 0 <= time_s - before_s <= usual_s:
            lines.append([])
        lines[-1].append(f'{1000 * time_s / span_s:.1f},{24 - 24 * confidence:.1f}')
        before_s = time_s
    return [' '.join(line) for line in lines]


def _ticks(span_s: float) -> list[float]:
    step = next(
        (s for s in (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600) if span_s / s <= 12),
        7200,
    )
    return [index * step for index in range(int(span_s / step) + 1)]


def _pictures(
    source: Path, topic: str, shown: list[Story], types: MessageTypes
) -> dict[int, list[dict[str, Any]]]:
    """Return a small cut-out for each change of label, by face id."""
    changes: list[tuple[int, Segment]] = [
        (story.face_id, segment) for story in shown for segment in story.segments
    ]
    changes = sorted(changes, key=lambda change: change[1].stamp_ns)[:MOST_PICTURES]
    wanted: dict[int, list[tuple[int, Segment]]] = {}
    for face_id, segment in changes:
        wanted.setdefault(segment.stamp_ns, []).append((face_id, segment))
    pictures: dict[int, list[dict[str, Any]]] = {}
    with open_bag(source) as bag:
        images = image_connections(bag, topic)
        total = sum(one.msgcount for one in images)
        for connection, recorded_ns, data in tqdm(
            bag.messages(images), total=total, unit='image', desc='pictures', disable=None
        ):
            try:
                message = types.decode_image(data, connection.msgtype)
                stamp = message.header.stamp
                at_ns = stamp.sec * 10**9 + stamp.nanosec or recorded_ns
                if at_ns not in wanted:
                    continue
                image = image_to_bgr(message)
            except (ImageError, cv2.error):
                continue
            for face_id, segment in wanted.pop(at_ns):
                pictures.setdefault(face_id, []).append(
                    {'segment': segment, 'uri': _cut_out(image, segment.box)}
                )
    return pictures


def _cut_out(image: np.ndarray, box: tuple[int, int, int, int]) -> str:
    """Return the face with some room around it as a data URI."""
    x, y, width, height = box
    side = max(width, height, 1)
    top, left = max(y + height // 2 - side, 0), max(x + width // 2 - side, 0)
    part = image[top : top + 2 * side, left : left + 2 * side]
    if not part.size:
        part = image
    scale = _PICTURE_PX / part.shape[0]
    size = max(min(round(part.shape[1] * scale), 3 * _PICTURE_PX), 1), _PICTURE_PX
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    blob = cv2.imencode('.jpg', small, (cv2.IMWRITE_JPEG_QUALITY, 85))[1].tobytes()
    return 'data:image/jpeg;base64,' + base64.b64encode(blob).decode()
