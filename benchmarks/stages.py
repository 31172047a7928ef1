# SPDX-License-Identifier: Apache-2.0
"""The time of one image by stage, from the message to the messages."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from benchmarks.face_images import FACES, SIZES, moving_faces
from benchmarks.networks import make_yardstick
from benchmarks.timing import WARM_UP_CALLS, summarize_rounds, time_in_turn
from emotion_perception import pipeline as pipeline_module
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection.keyframes import DETECT_EVERY, KeyframeDetector
from emotion_perception.errors import DetectorError
from emotion_perception.head_pose import HeadPoseEstimator
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr, to_emotion_array
from emotion_perception.tracking import SmoothedExpression, Tracker

STAGES = ('convert', 'detect', 'align', 'classify', 'head pose', 'track', 'message')
_LONGEST_ROUND_S = 1.5
_STAGE_OF: tuple[tuple[str, Any, str], ...] = (
    ('detect', KeyframeDetector, 'detect'),
    ('align', pipeline_module, 'crop_face'),
    ('classify', EmotionClassifier, 'classify'),
    ('head pose', HeadPoseEstimator, 'read'),
    ('track', Tracker, 'associate'),
    ('track', SmoothedExpression, 'update'),
)
"""Stage, and the class or module with the function that it consists of."""


@dataclass(frozen=True)
class Case:
    """One setting: image size, faces in it, transport, detector, cores and `detect_every`."""

    width: int = 640
    height: int = 480
    faces: int = 1
    transport: str = 'raw'
    detector: str = 'blazeface'
    cores: int = 1
    every: int = 1


def make_cases(detectors: list[str], cores: int) -> list[Case]:
    """Return the measured settings; `detectors` starts with the default one."""
    cases = [Case(faces=faces, every=DETECT_EVERY) for faces in FACES]
    cases += [Case(*size, faces) for size in SIZES for faces in FACES]
    cases += [Case(*size, transport='compressed') for size in SIZES]
    cases += [Case(faces=faces, detector=name) for name in detectors[1:] for faces in FACES]
    if cores > 1:
        cases += [Case(faces=faces, cores=2) for faces in FACES]
    return cases


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let this process use so many cores, and OpenCV as many threads."""
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, set(sorted(cores)[-count:]))
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)


class StageTimer:
    """
    Processes images as the node does and adds up the time of each stage.

    Attributes:
        spent_s: time by stage, in seconds.
        cpu_s: CPU time of all threads of this process, in seconds.
        readings: of the expression of one face.
        other_counts: images in which another number of faces was found than is there.

    """

    def __init__(self, case: Case, detector_model: str | Path = ''):
        """Load the networks and draw the images of a case."""
        self._faces = case.faces
        self._pipeline = Pipeline.default(
            detector=case.detector,
            detector_model=detector_model,
            threads=case.cores,
            detect_every=case.every,
        )
        self._messages: list[Image | CompressedImage] = [
            bgr_to_image(image, Header())
            if case.transport == 'raw'
            else CompressedImage(format='jpeg', data=cv2.imencode('.jpg', image)[1].tobytes())
            for image in moving_faces((case.width, case.height), case.faces)
        ]
        self._stamp_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Set all times to 0."""
        self.spent_s = dict.fromkeys(STAGES, 0.0)
        self.cpu_s, self.readings, self.other_counts = 0.0, 0, 0

    def _timed(self, stage: str, function: Callable) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            started_s = time.perf_counter()
            result = function(*args, **options)
            self.spent_s[stage] += time.perf_counter() - started_s
            return result

        return call

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Time the functions of the pipeline's stages."""
        with ExitStack() as stack:
            for stage, owner, name in _STAGE_OF:
                timed = self._timed(stage, getattr(owner, name))
                stack.enter_context(patch.object(owner, name, timed))
            yield

    def __call__(self, index: int) -> float:
        """Process image `index`, from message to messages; return the seconds it took."""
        self._stamp_s += 1 / 30
        message = self._messages[index % len(self._messages)]
        convert = self._timed('convert', image_to_bgr)
        to_messages = self._timed('message', to_emotion_array)
        cpu_s, started_s = time.process_time(), time.perf_counter()
        image = convert(message)
        faces = self._pipeline.process(image, self._stamp_s)
        to_messages(faces, message.header, image.shape)
        elapsed_s = time.perf_counter() - started_s
        self.cpu_s += time.process_time() - cpu_s
        self.readings += sum(face.reading_age_s == 0 for face in faces)
        self.other_counts += len(faces) != self._faces
        return elapsed_s


def measure_stages(
    model_of: dict[str, Path], calls: int, rounds: int, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    Measure every case, and the yardstick in turn with it.

    Args:
        model_of: files of the detectors that need one.
        calls: images in a round.
        rounds: of each case.
        report: receives a line for each case.

    Returns:
        A row for each case: its settings, percentiles in ms of the ``whole`` and of the
        ``yardstick``, ``cpu_ms``, ``stages`` (means in ms), ``readings`` in each image and
        ``images_with_another_count``.

    """
    detectors = []
    for name in ('blazeface', 'yunet', 'haar'):
        try:
            Pipeline.default(detector=name, detector_model=model_of.get(name, ''))
            detectors.append(name)
        except DetectorError as error:
            report(f'{name} is left out: {error}')
    rows = []
    for case in make_cases(detectors, len(os.sched_getaffinity(0))):
        report(' '.join(f'{name}={value}' for name, value in asdict(case).items()))
        with on_cores(case.cores):
            rows.append(_measure(case, model_of.get(case.detector, ''), calls, rounds))
    return rows


def _measure(case: Case, model: str | Path, calls: int, rounds: int) -> dict[str, Any]:
    timer, yardstick = StageTimer(case, model), make_yardstick()
    with timer.installed():
        timer(0)
        # a slow detector gets fewer calls, so that all cases together take minutes
        calls = max(3, min(calls, round(_LONGEST_ROUND_S / max(timer(1), 1e-4))))
        timer.reset()
        times = time_in_turn({'whole': timer, 'yardstick': yardstick}, calls, rounds)
    processed = calls * rounds + WARM_UP_CALLS
    return {
        **asdict(case),
        'whole': summarize_rounds(times['whole']),
        'yardstick': summarize_rounds(times['yardstick']),
        'cpu_ms': round(timer.cpu_s / processed * 1000, 3),
        'stages': {s: round(timer.spent_s[s] / processed * 1000, 3) for s in STAGES},
        'readings': round(timer.readings / processed, 3),
        'images_with_another_count': timer.other_counts,
    }
