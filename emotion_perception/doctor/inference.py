"""The model, the detectors and their speed: everything between a picture and the emotions in it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

_SIZE = (480, 640)
_IMAGES = 40
_LONGEST_S = 4.0
_CAMERA_HZ = 30.0


@dataclass(frozen=True)
class Choice:
    """
    What is checked in place of the defaults.

    Attributes:
        detector: that must be there.
        detector_model: its file, where it needs one.
        model: the classifier's file; empty is this package's.

    """

    detector: str = ''
    detector_model: str = ''
    model: str = ''


def drawn_picture() -> Any:
    """Return a face drawn before a shaded wall; BGR uint8 [480, 640, 3]."""
    import cv2
    import numpy as np

    height, width = _SIZE
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = np.linspace(60, 180, width, dtype=np.float32)[None, :, None]
    skin, hair, white, lips = (150, 180, 225), (40, 50, 70), (245, 245, 245), (70, 70, 170)

    def disc(x, y, across, down, color, begin=0):
        end = 360 if not begin else 2 * begin
        cv2.ellipse(picture, (x, y), (across, down), 0, begin, end, color, -1, cv2.LINE_AA)

    disc(320, 227, 77, 101, hair)
    disc(320, 249, 67, 90, skin)
    for eye in (291, 349):
        disc(eye, 231, 14, 7, white)
        disc(eye, 231, 7, 7, hair)
        cv2.ellipse(picture, (eye, 216), (18, 6), 0, 180, 360, hair, 4, cv2.LINE_AA)
    cv2.line(picture, (320, 236), (315, 265), (110, 140, 190), 4, cv2.LINE_AA)
    cv2.ellipse(picture, (320, 285), (27, 13), 0, 0, 180, lips, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


def check_model(choice: Choice) -> CheckResult:
    """Load the classifier, compare its hash and classify a drawn face."""
    import cv2
    import numpy as np

    from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
    from emotion_perception.emotions import EMOTIONS
    from emotion_perception.errors import ModelError

    path = choice.model or str(DEFAULT_MODEL)
    own = not choice.model
    mend = (
        'install the package again: its model files changed or are missing'
        if own
        else 'copy the model and its json again, or export it again'
    )
    try:
        classifier = EmotionClassifier.load(path)
        face = cv2.resize(
            cv2.cvtColor(drawn_picture()[160:340, 230:410], cv2.COLOR_BGR2GRAY), (48, 48)
        )
        answer = classifier.classify(np.stack((face, 255 - face)))
    except (ImportError, ModelError, ValueError) as error:
        return CheckResult('model', PROBLEM, str(error), mend, {'path': path})
    description = classifier.metadata
    values = {'path': path, 'name': description.name, 'sha256': description.sha256}
    sums = answer.sum(axis=1)
    if not np.isfinite(answer).all() or not np.allclose(sums, 1, atol=1e-4):
        text = f'{path} answers {answer[0].tolist()}, which are no probabilities'
        return CheckResult('model', PROBLEM, text, mend, values)
    label, share = EMOTIONS[int(answer[0].argmax())], float(answer[0].max())
    text = f'{description.name} {description.sha256[:12]}, as its json says; a drawn face is {label} {share:.0%}'
    return CheckResult('model', OK, text, '', {**values, 'drawn': answer[0].tolist()})


def check_detector(name: str, choice: Choice) -> CheckResult:
    """Make a detector and show it the drawn picture; only the chosen one has to be there."""
    from emotion_perception.detection import DETECTORS, make_detector
    from emotion_perception.errors import DetectorError, ModelError

    needed = name == (choice.detector or DETECTORS[0])
    file = choice.detector_model if needed else ''
    values = {'needed': needed}
    try:
        found = make_detector(name, file).detect(drawn_picture())
    except (DetectorError, ImportError, ModelError, ValueError) as error:
        text = str(error)
        if needed:
            return CheckResult(name, PROBLEM, text, 'do that, or choose another detector', values)
        return CheckResult(
            name, OK, f'not here, and not chosen: {text}', '', {**values, 'here': False}
        )
    text = f'loads, and sees {len(found)} face{"s" * (len(found) != 1)} in a drawing'
    return CheckResult(name, OK, text, '', {**values, 'here': True})


def check_speed(choice: Choice) -> CheckResult:
    """Measure the node's pipeline on the drawn picture."""
    import cv2
    import numpy as np

    from emotion_perception.detection import DETECTORS
    from emotion_perception.detection.keyframes import DETECT_EVERY
    from emotion_perception.pipeline import Pipeline

    cores = len(os.sched_getaffinity(0))
    values: dict[str, Any] = {'cores': cores, 'load': round(os.getloadavg()[0], 2)}
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        pipeline = Pipeline.default(
            detector=choice.detector or DETECTORS[0], detector_model=choice.detector_model,
            model=choice.model, detect_every=DETECT_EVERY,
        )  # fmt: skip
        picture = drawn_picture()
        for count in range(3):
            pipeline.process(picture, count / _CAMERA_HZ)
        times_ms: list[float] = []
        deadline = time.monotonic() + _LONGEST_S
        while len(times_ms) < _IMAGES and time.monotonic() < deadline:
            started = time.perf_counter()
            faces = pipeline.process(picture, (len(times_ms) + 3) / _CAMERA_HZ)
            times_ms.append((time.perf_counter() - started) * 1000)
    except (ImportError, RuntimeError, ValueError) as error:
        return CheckResult(
            'speed', PROBLEM, f'cannot be measured: {error}', 'mend detector and model', values
        )
    finally:
        cv2.setNumThreads(before)
    p50, p99 = (float(value) for value in np.percentile(times_ms, (50, 99)))
    values |= {'p50_ms': round(p50, 2), 'p99_ms': round(p99, 2), 'faces': len(faces)}
    text = (
        f'{p50:.1f} ms for a 640x480 image with {len(faces)} drawn face{"s" * (len(faces) != 1)} '
        f'(p50; p99 {p99:.1f} ms), {cores} core{"s" * (cores != 1)}, load {values["load"]:g}'
    )
    if p50 > 1000 / _CAMERA_HZ:
        do = 'images of a 30 Hz camera will be skipped: use detector blazeface, raise detect_every, or free the processor'
        return CheckResult('speed', WARNING, text, do, values)
    return CheckResult('speed', OK, text, '', values)


def check_recognition(choice: Choice) -> Iterator[Check]:
    """Return name and check of everything in this module."""
    names = ['blazeface', 'yunet', 'haar']
    if choice.detector and choice.detector not in names:
        names.insert(0, choice.detector)
    yield 'model', lambda: check_model(choice)
    for name in names:
        yield name, partial(check_detector, name, choice)
    yield 'speed', lambda: check_speed(choice)
