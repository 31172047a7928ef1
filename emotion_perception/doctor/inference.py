# SPDX-License-Identifier: Apache-2.0
"""Checks of the model, the detectors and their speed on this computer."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

_WIDTH, _HEIGHT = 640, 480
_WARM_UP, _IMAGES = 3, 40
_LONGEST_S = 4.0
_CAMERA_HZ = 30.0


@dataclass(frozen=True)
class Choice:
    """
    Detector and model that are checked instead of the defaults.

    Attributes:
        detector: its name; empty is the default.
        detector_model: its file, if it needs one.
        model: file of the classifier; empty is the packaged one.

    """

    detector: str = ''
    detector_model: str = ''
    model: str = ''


def drawn_face() -> Any:
    """Return a face drawn in front of a shaded wall; BGR uint8 [480, 640, 3]."""
    import cv2
    import numpy as np

    image = np.empty((_HEIGHT, _WIDTH, 3), np.uint8)
    image[:] = np.linspace(60, 180, _WIDTH, dtype=np.float32)[None, :, None]
    skin, hair, white, lips, nose = (
        (150, 180, 225), (40, 50, 70), (245, 245, 245), (70, 70, 170), (110, 140, 190),
    )  # fmt: skip

    def draw(center, axes, color, begin=0, end=360, thickness=-1):
        cv2.ellipse(image, center, axes, 0, begin, end, color, thickness, cv2.LINE_AA)

    draw((320, 227), (77, 101), hair)
    draw((320, 249), (67, 90), skin)
    for x in (291, 349):
        draw((x, 231), (14, 7), white)
        draw((x, 231), (7, 7), hair)
        draw((x, 216), (18, 6), hair, 180, 360, 4)
    cv2.line(image, (320, 236), (315, 265), nose, 4, cv2.LINE_AA)
    draw((320, 285), (27, 13), lips, 0, 180)
    return cv2.GaussianBlur(image, (0, 0), 1.5)


def check_model(choice: Choice) -> CheckResult:
    """Load the classifier, which compares its hash, and classify a drawn face."""
    import cv2
    import numpy as np

    from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
    from emotion_perception.emotions import EMOTIONS
    from emotion_perception.errors import ModelError
    from emotion_perception.runtime.network import choose_runtime

    path = choice.model or str(DEFAULT_MODEL)
    advice = 'copy the model and its json again, or export it again'
    if not choice.model:
        advice = 'install the package again: its model files changed or are missing'
    try:
        classifier = EmotionClassifier.load(path)
        gray = cv2.cvtColor(drawn_face()[160:340, 230:410], cv2.COLOR_BGR2GRAY)
        face = cv2.resize(gray, (48, 48))
        probabilities = classifier.classify(np.stack((face, 255 - face)))
        runtime = choose_runtime()
    except (ImportError, ModelError, ValueError) as error:
        return CheckResult('model', PROBLEM, str(error), advice, {'path': path})
    name, sha256 = classifier.metadata.name, classifier.metadata.sha256
    values = {'path': path, 'name': name, 'sha256': sha256, 'runtime': runtime}
    # NaN is close to nothing
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        text = f'{path} returns {probabilities[0].tolist()}, which do not sum to 1'
        return CheckResult('model', PROBLEM, text, advice, values)
    drawn = probabilities[0]
    label, confidence = EMOTIONS[int(drawn.argmax())], float(drawn.max())
    text = f'{name} {sha256[:12]}, as in its json; a drawn face shows {label} {confidence:.0%}'
    return CheckResult('model', OK, text, '', {**values, 'probabilities': drawn.tolist()})


def check_detector(name: str, choice: Choice) -> CheckResult:
    """Make a detector and find the drawn face; only the chosen detector must work."""
    from emotion_perception.detection import DETECTORS, make_detector
    from emotion_perception.errors import DetectorError, ModelError

    needed = name == (choice.detector or DETECTORS[0])
    values = {'needed': needed}
    try:
        detector = make_detector(name, choice.detector_model if needed else '')
        faces = len(detector.detect(drawn_face()))
    except (DetectorError, ImportError, ModelError, ValueError) as error:
        if needed:
            advice = 'do that, or choose another detector'
            return CheckResult(name, PROBLEM, str(error), advice, values)
        text = f'not available, and not chosen{_worth_trying(name)}: {error}'
        return CheckResult(name, OK, text, '', {**values, 'available': False})
    text = f'loads, and finds {_count(faces, "face")} in a drawing'
    return CheckResult(name, OK, text, '', {**values, 'available': True})


def _worth_trying(name: str) -> str:
    """Return when a detector that is not the default is better."""
    if name != 'yunet':
        return ''
    return ' (it finds more faces that are blurred or cut, and more where none is)'


def check_speed(choice: Choice) -> CheckResult:
    """Measure the processing time of the node's pipeline on the drawn face."""
    import cv2
    import numpy as np

    from emotion_perception.detection import DETECTORS
    from emotion_perception.detection.keyframes import DETECT_EVERY
    from emotion_perception.pipeline import Pipeline

    cores = len(os.sched_getaffinity(0))
    values: dict[str, Any] = {'cores': cores, 'load': round(os.getloadavg()[0], 2)}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    times_ms: list[float] = []
    try:
        pipeline = Pipeline.default(
            detector=choice.detector or DETECTORS[0],
            detector_model=choice.detector_model,
            model=choice.model,
            detect_every=DETECT_EVERY,
        )
        image = drawn_face()
        deadline = time.monotonic() + _LONGEST_S
        while len(times_ms) < _WARM_UP + _IMAGES and time.monotonic() < deadline:
            start = time.perf_counter()
            faces = len(pipeline.process(image, len(times_ms) / _CAMERA_HZ))
            times_ms.append((time.perf_counter() - start) * 1000)
    except (ImportError, RuntimeError, ValueError) as error:
        text = f'cannot be measured: {error}'
        return CheckResult('speed', PROBLEM, text, 'fix detector and model first', values)
    finally:
        cv2.setNumThreads(threads)
    p50, p99 = (float(value) for value in np.percentile(times_ms[_WARM_UP:], (50, 99)))
    values |= {'p50_ms': round(p50, 2), 'p99_ms': round(p99, 2), 'faces': faces}
    text = (
        f'{p50:.1f} ms (p50; p99 {p99:.1f} ms) for an image of {_WIDTH}x{_HEIGHT} with '
        f'{_count(faces, "face")}, {_count(cores, "core")}, load {values["load"]:g}'
    )
    if p50 > 1000 / _CAMERA_HZ:
        advice = (
            f'images of a {_CAMERA_HZ:g} Hz camera will be dropped: use the detector blazeface, '
            'raise detect_every, or reduce the CPU load'
        )
        return CheckResult('speed', WARNING, text, advice, values)
    return CheckResult('speed', OK, text, '', values)


def inference_checks(choice: Choice) -> Iterator[Check]:
    """Yield the checks of this module."""
    from emotion_perception.detection import DETECTORS

    yield 'model', lambda: check_model(choice)
    unknown = [choice.detector] if choice.detector and choice.detector not in DETECTORS else []
    for name in (*unknown, *DETECTORS):
        yield name, partial(check_detector, name, choice)
    yield 'speed', lambda: check_speed(choice)


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"s" * (number != 1)}'
