"""Where the time of one image goes: convert, detect, align, classify, track, message; and the whole."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from benchmarks.figures import interleaved, of_rounds
from benchmarks.frames import FACES, SIZES, sequence
from emotion_perception import pipeline as pipeline_module
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.errors import DetectorError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr, to_emotion_array

_LONGEST_ROUND_S = 1.5
STAGES = ('convert', 'detect', 'align', 'classify', 'track', 'message')


@dataclass(frozen=True)
class Case:
    """One setting to measure: frame size, faces in it, transport, detector, and threads and cores."""

    size: tuple[int, int] = (640, 480)
    faces: int = 1
    transport: str = 'raw'
    detector: str = 'blazeface'
    cores: int = 1
    every: int = 1

    @property
    def name(self) -> str:
        """Return what tells it apart."""
        return f'{self.size[0]}x{self.size[1]} {self.transport}, {self.faces} faces, {self.detector}, {self.cores} cores, detection in every {self.every}.'


def cases(detectors: list[str], cores: int) -> list[Case]:
    """Return what is measured: every value of each setting, and all sizes with all numbers of faces."""
    found = [Case(faces=faces, every=DETECT_EVERY) for faces in FACES]
    found += [Case(size, faces) for size in SIZES for faces in FACES]
    found += [Case(size, 1, 'compressed') for size in SIZES]
    found += [Case(faces=faces, detector=name) for name in detectors[1:] for faces in FACES]
    found += [
        Case(size, detector=name) for name in detectors[1:] for size in SIZES if size != (640, 480)
    ]
    if cores > 1:
        found += [Case(faces=faces, cores=2) for faces in FACES]
        found += [Case(size, cores=2) for size in SIZES if size != (640, 480)]
    return found


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let this process run on so many cores only, OpenCV with as many threads."""
    before, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, set(sorted(before)[-count:]))
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        cv2.setNumThreads(threads)


class _Watch:
    """Adds up the time of a stage's calls."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)

    def timed(self, stage: str, work: Callable) -> Callable:
        def call(*args: Any) -> Any:
            started = time.perf_counter()
            result = work(*args)
            self.spent[stage] += time.perf_counter() - started
            return result

        return call


def _messages(case: Case) -> list[Image | CompressedImage]:
    images = sequence(case.size, case.faces)
    if case.transport == 'raw':
        return [bgr_to_image(image, Header()) for image in images]
    return [
        CompressedImage(format='jpeg', data=cv2.imencode('.jpg', image)[1].tobytes())
        for image in images
    ]


def make_work(case: Case, model_of: dict[str, Path]) -> tuple[Callable[[int], float], _Watch]:
    """
    Return a function that serves one image as the node does, and a watch over its stages.

    Args:
        case: what to measure.
        model_of: files of the detectors that need one.

    """
    pipeline = Pipeline.default(
        detector=case.detector,
        detector_model=model_of.get(case.detector, ''),
        threads=case.cores,
        detect_every=case.every,
    )
    assert pipeline.tracker is not None
    messages, watch = _messages(case), _Watch()
    convert = watch.timed('convert', image_to_bgr)
    align = watch.timed('align', pipeline_module.crop_face)
    message = watch.timed('message', to_emotion_array)
    replace: Any = pipeline
    replace.detector.detect = watch.timed('detect', pipeline.detector.detect)
    replace.classifier.classify = watch.timed('classify', pipeline.classifier.classify)
    replace.tracker.associate = watch.timed('track', pipeline.tracker.associate)
    stamp = 0.0

    def serve(index: int) -> float:
        nonlocal stamp
        stamp += 1 / 30
        crop, pipeline_module.crop_face = pipeline_module.crop_face, align
        received = messages[index % len(messages)]
        started = time.perf_counter()
        image = convert(received)
        found = pipeline.process(image, stamp)
        message(found, received.header, image.shape)
        spent = time.perf_counter() - started
        pipeline_module.crop_face = crop
        if len(found) != case.faces:
            watch.spent['wrong count'] = watch.spent.get('wrong count', 0) + 1
        return spent

    return serve, watch


def measure(
    model_of: dict[str, Path], calls: int, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    Measure every case.

    Args:
        model_of: files of the detectors that need one.
        calls: images in a round.
        rounds: of each case.
        say: is told what is measured.

    Returns:
        A row for each case, times in milliseconds.

    """
    available = []
    for name in ('blazeface', 'yunet', 'haar'):
        try:
            Pipeline.default(detector=name, detector_model=model_of.get(name, ''))
            available.append(name)
        except DetectorError as error:
            say(f'{name} is left out: {error}')
    rows = []
    for case in cases(available, len(os.sched_getaffinity(0))):
        say(case.name)
        with on_cores(case.cores):
            serve, watch = make_work(case, model_of)
            serve(0)
            # a slow detector gets fewer calls, so that the whole takes minutes
            fewer = max(3, min(calls, round(_LONGEST_ROUND_S / max(serve(1), 1e-4))))
            watch.spent = dict.fromkeys(STAGES, 0.0)
            cpu = time.process_time()
            times = interleaved({'whole': serve}, fewer, rounds)['whole']
            cpu = time.process_time() - cpu
        served = fewer * rounds + 5
        rows.append(
            {
                'width': case.size[0],
                'height': case.size[1],
                'faces': case.faces,
                'transport': case.transport,
                'detector': case.detector,
                'cores': case.cores,
                'every': case.every,
                'whole': of_rounds(times),
                'cpu_ms': round(cpu / served * 1000, 3),
                'stages': {s: round(watch.spent[s] / served * 1000, 3) for s in STAGES},
                'frames_with_another_count': int(watch.spent.get('wrong count', 0)),
            }
        )
    return rows
