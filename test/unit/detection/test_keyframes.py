"""Detection in every n-th image, and the faces in between: the same ones, in the same places."""

from collections import Counter

import cv2
import numpy as np
import pytest

from benchmarks.agreement import compare, run
from emotion_perception.detection import RegionDetector, make_detector
from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.detection.haar import HaarDetector
from emotion_perception.detection.keyframes import LONGEST_STEP_S, SEARCH_S, KeyframeDetector
from emotion_perception.imaging.sources import MovingImageSource
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import Tracker
from emotion_perception.types import Detection

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Scripted:
    """A detector that sees the faces that it is told of, and counts how it was asked."""

    def __init__(self, *places):
        """Begin with a face of 80 pixels at each x."""
        self.places, self.asked = list(places), Counter()
        self.min_detection_score, self.min_face_px, self.width = 0.5, 20, 80.0

    def detect(self, image):
        """See everything."""
        self.asked['detect'] += 1
        return [Detection((x, 100.0, self.width, 80.0), 0.9) for x in self.places]

    def detect_in_region(self, image, box):
        """See the face that is less than half its width away."""
        self.asked['look'] += 1
        for x in self.places:
            if abs(x - box[0]) < 40:
                return Detection((x, 100.0, self.width, 80.0), 0.7)
        return None


class Plain:
    """The least that a detector is."""

    min_detection_score, min_face_px = 0.5, 20

    def __init__(self):
        """Count from 0."""
        self.searched = 0

    def detect(self, image):
        """See one face."""
        self.searched += 1
        return [Detection((10.0, 10.0, 80.0, 80.0), 0.9)]


def places(finder, frame, rate_hz=30.0):
    """Return where the faces of a frame are."""
    return [face.box[0] for face in finder.find(IMAGE, frame / rate_hz)]


@pytest.mark.parametrize('every', [1, 2, 3, 10])
def test_every_nth_image_is_searched(every):
    """Detection runs in the first image and each n-th after it, a look at each face in the others."""
    detector = Scripted(100.0, 300.0)
    finder = KeyframeDetector(detector, every)
    for frame in range(30):
        assert places(finder, frame) == [100, 300]
    assert detector.asked['detect'] == 30 / every
    assert detector.asked['look'] == 2 * (30 - 30 / every)


def test_a_moving_face_is_followed():
    """The face is where it is now, not where it was detected."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 5)
    for frame in range(10):
        detector.places = [100.0 + 20 * frame]
        assert places(finder, frame) == detector.places
    assert detector.asked['detect'] == 2


def test_a_new_face_is_found_at_the_next_detection():
    """Whoever comes in between is seen when the whole image is searched again."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 4)
    seen = []
    for frame in range(8):
        detector.places = [100.0, 400.0] if frame >= 1 else [100.0]
        seen.append(len(places(finder, frame)))
    assert seen == [1, 1, 1, 1, 2, 2, 2, 2]


def test_whoever_leaves_is_dropped_at_once():
    """A face that is gone is not reported again; it is searched for a while, then all is as before."""
    detector = Scripted(100.0, 300.0)
    finder = KeyframeDetector(detector, 10)
    assert places(finder, 0) == [100, 300]
    detector.places = [300.0]
    searched = []
    for frame in range(1, 61):
        assert places(finder, frame) == [300]
        searched.append(detector.asked['detect'])
    lost_for = round(SEARCH_S * 30)
    assert searched[:lost_for] == list(range(2, lost_for + 2))
    assert searched[-1] - searched[lost_for] == (60 - lost_for) // 10


def test_whoever_is_hidden_for_a_moment_is_found_again_at_once():
    """A face that returns soon after it was lost need not wait for the next detection."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 30)
    seen = []
    for frame in range(12):
        detector.places = [] if frame in (3, 4, 5) else [100.0]
        seen.append(len(places(finder, frame)))
    assert seen == [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_a_jump_is_detected_at_once():
    """A face that is found nowhere near is searched for in the same image."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 10)
    places(finder, 0)
    detector.places = [500.0]
    assert places(finder, 1) == [500]


def test_the_first_face_is_seen_at_once():
    """While nobody is there each image is searched."""
    detector = Scripted()
    finder = KeyframeDetector(detector, 5)
    for frame in range(3):
        assert places(finder, frame) == []
    detector.places = [300.0]
    assert places(finder, 3) == [300]
    assert detector.asked == {'detect': 4}


def test_two_looks_at_one_face():
    """When one hides behind the other, two looks see one face: detection tells."""
    detector = Scripted(100.0, 170.0)
    finder = KeyframeDetector(detector, 10)
    places(finder, 0)
    detector.places = [138.0]
    assert places(finder, 1) == [138]
    assert detector.asked['detect'] == 2


@pytest.mark.parametrize('step_s', [LONGEST_STEP_S + 0.01, 10.0, -0.01, -10.0])
def test_after_a_pause_or_a_jump_of_the_stamps_the_image_is_searched(step_s):
    """Where faces were long ago, or in another recording, says nothing."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 10)
    finder.find(IMAGE, 50.0)
    finder.find(IMAGE, 50.0 + step_s)
    assert detector.asked == {'detect': 2}


def test_one_stamp_for_all_images():
    """Images that all have the same stamp are followed too."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 5)
    for _ in range(10):
        assert len(finder.find(IMAGE, 0.0)) == 1
    assert detector.asked['detect'] == 2


@pytest.mark.parametrize(('name', 'value'), [('min_detection_score', 0.95), ('min_face_px', 90)])
def test_raised_limits_count_at_once(name, value):
    """A known face that no longer suffices is not followed."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 10)
    places(finder, 0)
    setattr(detector, name, value)
    places(finder, 1)
    assert detector.asked['detect'] == 2


def test_the_score_is_that_of_the_detection():
    """A look gives another kind of score, which would make it jump."""
    finder = KeyframeDetector(Scripted(100.0), 3)
    assert [finder.find(IMAGE, i / 30)[0].score for i in range(6)] == [0.9] * 6


def test_a_detector_without_second_look_searches_each_image():
    """Without the ability nothing is followed, and nothing lost."""
    detector = Plain()
    assert not isinstance(detector, RegionDetector)
    finder = KeyframeDetector(detector, 10)
    for frame in range(7):
        assert places(finder, frame) == [10]
    assert detector.searched == 7


def test_reset_and_change():
    """After reset the next image is searched; a smaller n counts at once."""
    detector = Scripted(100.0)
    finder = KeyframeDetector(detector, 10)
    places(finder, 0), places(finder, 1)
    finder.reset()
    places(finder, 2)
    assert detector.asked['detect'] == 2
    places(finder, 3)
    finder.every = 2
    places(finder, 4)
    assert detector.asked['detect'] == 3


@pytest.fixture(params=['blazeface', 'haar', 'yunet'])
def any_detector(request):
    """Return each of the project's detectors."""
    path = ''
    if request.param == 'yunet':
        if tuple(map(int, cv2.__version__.split('.')[:2])) < (4, 8):
            pytest.skip('yunet needs OpenCV 4.8')
        path = request.getfixturevalue('shared') / 'yunet' / 'face_detection_yunet_2023mar.onnx'
    elif request.param == 'haar' and not hasattr(cv2, 'CascadeClassifier'):
        pytest.skip('OpenCV 5 has no cascades')
    return make_detector(request.param, path)


def test_every_detector_has_a_second_look(any_detector, portrait):
    """A look at a rough place gives the face that detection gives; at the collar there is none."""
    assert isinstance(any_detector, RegionDetector)
    (face,) = any_detector.detect(portrait)
    x, y, w, h = face.box
    for dx, dy in ((0, 0), (0.2, 0), (-0.15, 0.15), (0, -0.2)):
        again = any_detector.detect_in_region(portrait, (x + dx * w, y + dy * h, w, h))
        assert np.array(again.box) == pytest.approx(np.array(face.box), abs=0.17 * w)
        if face.landmarks is None:
            assert again.landmarks is None
        else:
            assert again.landmarks == pytest.approx(face.landmarks, abs=0.1 * w)
    for nothing in ((380, 20, 100, 100), (20, 400, 90, 90), (-300, -300, 50, 50), (5, 5, 0, 0)):
        assert any_detector.detect_in_region(portrait, nothing) is None


def test_a_second_look_at_a_border(any_detector, portrait):
    """A face that is cut by the image's border is looked at without an error."""
    image = np.ascontiguousarray(portrait[:, 210:])
    face = any_detector.detect_in_region(image, (-35.0, 75.0, 100.0, 100.0))
    assert face is None or face.box[0] < 20


@pytest.mark.parametrize('every', [2, 5])
def test_the_moving_portrait_keeps_its_id_and_label(any_detector, classifier, portrait, every):
    """Over half a second of a moving camera all is as with detection in each image."""
    source = MovingImageSource(portrait)
    images = [source.read() for _ in range(16)]
    reference = run(Pipeline(any_detector, classifier, Tracker()), images)
    pipeline = Pipeline(any_detector, classifier, Tracker(), detect_every=every)
    agreement = compare(reference, run(pipeline, images))
    # the cascade sees a face in the background of one image, which is no loss to miss
    extra = agreement.faces - 16
    assert 0 <= extra <= isinstance(any_detector, HaarDetector)
    assert agreement.missed * agreement.faces <= extra
    assert agreement.extra == 0
    assert (agreement.same_id, agreement.same_label) == (1, 1)
    # the networks' own noise, which for the cascade is its step from one size to the next
    assert agreement.box_p99 < (0.06 if isinstance(any_detector, BlazeFaceDetector) else 0.2)


@pytest.mark.parametrize(
    ('clip', 'same_label'),
    [
        ('single_face.mp4', 1.0),
        ('again.mkv', 1.0),
        ('thanks.mkv', 1.0),
        ('yes.mkv', 1.0),
        ('WolfgangLanger_Pexels.mp4', 0.9),  # its expressions change all the time
        ('head-pose-face-detection-female-and-male.gif', 0.98),
    ],
)
def test_clips(shared, detector, classifier, clip, same_label):
    """In recordings of people, detection in every third image changes next to nothing."""
    images = read_clip(shared / 'media' / clip)
    reference = run(Pipeline(detector, classifier, Tracker()), images, 25.0)
    other = run(Pipeline(detector, classifier, Tracker(), detect_every=3), images, 25.0)
    agreement = compare(reference, other)
    assert agreement.faces >= len(images)
    assert (agreement.missed, agreement.extra, agreement.same_id) == (0, 0, 1)
    assert agreement.same_label >= same_label
    assert agreement.box_p50 < 0.04
    assert agreement.box_p99 < 0.08
    # about 0.6 on an idle machine; counted in processor time, but caches are shared
    assert agreement.cpu < 0.9


def test_faces_that_come_and_go(shared, detector, classifier):
    """Of walking people, found only in some images, next to none is missed once it was seen."""
    images = read_clip(shared / 'media' / 'face-demographics-walking.gif')
    reference = run(Pipeline(detector, classifier, Tracker()), images, 12.5)
    other = run(Pipeline(detector, classifier, Tracker(), detect_every=3), images, 12.5)
    agreement = compare(reference, other)
    assert agreement.missed < 0.2


def read_clip(path):
    """Return the first 80 images of a clip."""
    capture, images = cv2.VideoCapture(str(path)), []
    while len(images) < 80 and (read := capture.read())[0]:
        images.append(read[1])
    return images


def test_a_clip_without_faces(shared, detector, classifier):
    """Letters and clouds are no faces, however seldom they are searched."""
    images = read_clip(shared / 'media' / 'no_face.mp4')
    pipeline = Pipeline(detector, classifier, Tracker(), detect_every=3)
    assert run(pipeline, images).answers == [[]] * len(images)
