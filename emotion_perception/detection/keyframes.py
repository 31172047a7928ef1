# SPDX-License-Identifier: Apache-2.0
"""Detect the faces of a stream: which view is searched when, which face is detected when."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emotion_perception.detection.base import Detector, RegionDetector, ViewDetector, ViewResult
from emotion_perception.detection.landmark_flow import LandmarkFlow
from emotion_perception.detection.views import View, ViewCycle
from emotion_perception.geometry import find_duplicate, is_duplicate, is_repeated, roll_deg
from emotion_perception.types import Detection

DETECT_EVERY = 6
"""In the node and the command line every n-th frame is a keyframe; see `make bench`."""

MAX_STEP_S = 0.25
"""
After a longer pause faces may be anywhere: all are dropped, all upright views are searched, and if
they show nobody a turned one.
"""

VIEWS_PER_S = 30.0
"""While nobody is tracked: a view in each frame at this rate, more at lower rates."""

ALONE_AFTER_S, VIEWS_PER_S_ALONE = 5.0, 15.0
"""After so long without anybody views are searched at half that rate."""

KEYFRAMES_AFTER_CHANGE_S = 0.5
"""
Each frame is a keyframe for this long after a face was lost or found: the lost one is often only
hidden, and where one person comes there are others.
"""

MAX_CANDIDATES = 5
"""
In each view of a stream. Each costs about half as much as the view, and patterns may look like a
dozen faces. The next search of the view examines others first.
"""
_MAX_REJECTED = 40
"""Of each view; where the camera moves they are soon at other places."""

CONFIRM_EVERY_S = 1.0
"""The view in which a face was last seen is searched again after this time, to confirm it."""

UNCHANGED_BELOW, READ_UNCHANGED_EVERY_S = 0.1, 0.09
"""
A face whose readings differ by less than the first of these is not read again before the second:
in every third frame at 30 Hz, in which it is detected in its region too.
"""

READ_EVERY_S = 0.2
"""Without time for all faces, one that was read this long ago is as urgent as a due keyframe."""

DETECT_REGION_EVERY_S, DETECT_REGION_AT_LEAST_EVERY_S = 0.075, 0.115
"""
A tracked face is detected in its region again after the first of these times: in every third
frame at 30 Hz. Frames in between, and up to the second one those in which a view is searched, move
it along with the image.
"""

_BUSY_FRAMES = 3
"""With more busy frames in a row no other frame is to be expected soon."""

_CERTAIN_REGION_SCORE = 0.7
"""
A tracked face with this score needs no view to confirm it: it may be leaving the image. With a
lower one it is detected in its region in each frame.
"""

COUNT_AGAIN_EVERY_S = 10.0
"""One person who stays is enough to notice that the camera hangs turned."""


@dataclass(eq=False)
class TrackedFace:
    """
    A face that is followed from frame to frame.

    Attributes:
        detection: in the last frame; its score is that of the last view that showed the face.
        view: that view.
        seen_s: stamp of the frame in which it was searched.
        detected_s: stamp of the last frame in which the face was detected in its region or in a
            view, not only moved along with the image.
        read_s: stamp of the last frame in which its expression was to be read.
        read: whether that was the last frame.
        rests: whether it was not to be read in the last frame because it does not change.
        certain: whether it is certain where it is in the last frame.
        region_score: score of the last region detection, 0..1.
        missed: how often its view was searched since then and did not show it.
        counted_s: stamp of the last frame in which it counted as upright or turned.
        change: how much its last readings differed, 0..1; set by the pipeline.

    """

    detection: Detection
    view: View
    seen_s: float
    detected_s: float
    read_s: float
    read: bool = True
    rests: bool = False
    certain: bool = True
    region_score: float = 1.0
    missed: int = 0
    counted_s: float = -math.inf
    change: float = 1.0


class _ImageAsView:
    """Presents a detector that searches whole images as one with a single view."""

    def __init__(self, detector: Detector):
        self._detector = detector

    def upright_views(self, width: int, height: int) -> tuple[View, ...]:
        return (View('whole', (width / 2, height / 2), float(max(width, height))),)

    def turned_views(self, width: int, height: int) -> tuple[View, ...]:
        return ()

    def detect_in_view(
        self,
        image: np.ndarray,
        view: View,
        known: Sequence[Detection] = (),
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
        max_candidates: int | None = None,
        rejected: Sequence[Detection] = (),
    ) -> ViewResult:
        result = ViewResult([], {})
        for face in self._detector.detect(image, min_detection_score, min_face_px):
            index = find_duplicate(face, known)
            if index is None:
                result.faces.append(face)
            else:
                result.seen[index] = face.score
        return result


class KeyframeDetector:
    """
    Detects the faces of a stream of frames at a fraction of the cost.

    In a keyframe one view of the image is searched, all views in turn. While nobody is tracked
    each frame is a keyframe, after some seconds every other one; else each n-th is, at less than
    30 Hz as often as at 30 Hz, and those after a face was lost or found. Tracked faces are
    detected in their regions in every third frame at 30 Hz and moved along with the image in the
    others; with n = 1 they are detected in each. If a time budget is too short to read them all,
    they are read in turn, the near ones and those that change more often. Without a budget the
    result does not depend on the time that anything takes. With n = 1 each face is read in each
    frame, else those whose expression does not change only in every third at 30 Hz.

    Attributes:
        every: n, for every n-th frame to be a keyframe; may be changed between two frames.
        faces_by_turn: how many faces were found upright (0), turned clockwise by a quarter (1),
            upside down (2) and turned counterclockwise by a quarter (3). A face that stays counts
            again every `COUNT_AGAIN_EVERY_S`.
        chosen_s: what the steps of the last frame took that a budget chooses, in seconds.

    """

    def __init__(
        self, detector: Detector, every: int = 1, clock: Callable[[], float] = time.perf_counter
    ):
        """
        Start without faces.

        Args:
            detector: of faces; if it is no `RegionDetector`, each frame is a keyframe.
            every: n.
            clock: in seconds, for the costs of the steps.

        """
        self.every = every
        self.faces_by_turn: Counter[int] = Counter()
        self._regions = detector if isinstance(detector, RegionDetector) else None
        self._views = detector if isinstance(detector, ViewDetector) else _ImageAsView(detector)
        self._detector = detector
        self._clock = clock
        self._searches = self._turn = 0
        self._flow = LandmarkFlow()
        self._costs_s = {'region': 0.003, 'view': 0.006, 'reading': 0.001}
        self.chosen_s = 0.0
        self._left_s = math.inf
        self.reset()

    def reset(self) -> None:
        """Drop all faces: nothing is known about the next frame."""
        self._faces: list[TrackedFace] = []
        self._rejected: dict[View, list[Detection]] = {}
        self._size = (0, 0)
        self._stamp_s = self._keyframe_s = self._keyframes_until_s = -math.inf
        self._alone_from_s = math.inf
        self._since_keyframe = self._busy_frames = 0
        self._lost_view: View | None = None
        self._searched_lost_view = False
        self._flow.reset()

    @property
    def busy(self) -> bool:
        """Whether a view or most of the regions were searched, as hardly in the frames to come."""
        return 0 < self._busy_frames <= _BUSY_FRAMES

    def add_cost(self, step: str, seconds: float, count: int = 1) -> None:
        """Note what `count` steps took: ``'region'``, ``'view'`` or ``'reading'`` of one face."""
        self._costs_s[step] += 0.2 * (seconds / count - self._costs_s[step])
        self.chosen_s += seconds

    def detect(
        self, image: np.ndarray, stamp_s: float, budget_s: float = math.inf
    ) -> list[TrackedFace]:
        """
        Return the faces in the next frame, best score first.

        Args:
            image: BGR uint8 [H, W, 3].
            stamp_s: time of the frame in seconds.
            budget_s: time for this call and for the readings of the faces that it marks as read.

        """
        size = image.shape[1], image.shape[0]
        step_s = stamp_s - self._stamp_s
        if size != self._size or step_s < 0:
            self.reset()
            self._size, self._cycle = (
                size,
                ViewCycle(self._views.upright_views(*size), self._views.turned_views(*size)),
            )
            step_s = math.inf
        elif step_s > MAX_STEP_S:
            self._faces = []
        self._stamp_s = stamp_s
        self._since_keyframe += 1
        self.chosen_s = 0.0
        ends_s = self._clock() + budget_s
        views = self._choose_views(step_s)
        due = self._due_faces(views)
        views = self._choose_faces(budget_s, views, due)
        for face in self._follow(image, due):
            views.insert(0, face.view)
            self._lost_view = face.view
            self._keyframes_until_s = stamp_s + KEYFRAMES_AFTER_CHANGE_S
        if self._search(image, views, ends_s) and step_s <= MAX_STEP_S:
            self._keyframes_until_s = stamp_s + KEYFRAMES_AFTER_CHANGE_S
        if step_s > MAX_STEP_S and not self._faces:
            self._search(image, self._cycle.next_turned(), ends_s)
        detected = sum(face.detected_s == stamp_s for face in self._faces)
        busy = self._since_keyframe == 0 or 2 * detected > len(self._faces)
        self._busy_frames = (self._busy_frames + 1) * busy
        if self.every > 1 or not all(face.read for face in self._faces):
            self._flow.remember(image, [face.detection for face in self._faces])
        else:
            self._flow.reset()
        for face in self._faces:
            if stamp_s - face.counted_s >= COUNT_AGAIN_EVERY_S:
                self.faces_by_turn[round(roll_deg(face.detection.landmarks) / 90) % 4] += 1
                face.counted_s = stamp_s
        if self._faces or math.isinf(self._alone_from_s):
            self._alone_from_s = stamp_s + ALONE_AFTER_S
        self._faces.sort(key=lambda face: -face.detection.score)
        return list(self._faces)

    def search(
        self, image: np.ndarray, min_detection_score: float, min_face_px: int
    ) -> list[Detection]:
        """
        Search two views in each call and one of the others in turn; tracks nothing.

        Args:
            image: BGR uint8 [H, W, 3].
            min_detection_score: lowest score, 0..1.
            min_face_px: smallest width in pixels.

        """
        limits = min_detection_score, min_face_px
        size = image.shape[1], image.shape[0]
        always, others = self._views.upright_views(*size), self._views.turned_views(*size)
        always, others = always[:2], always[2:] + others
        turn = self._searches % max(len(others), 1)
        self._searches += 1
        faces: list[Detection] = []
        for view in always + others[turn : turn + 1]:
            faces += self._views.detect_in_view(image, view, faces, *limits).faces
        return faces

    def _choose_views(self, step_s: float) -> list[View]:
        """Return the views that are due in this frame, `step_s` after the one before."""
        if step_s > MAX_STEP_S:
            return list(self._cycle.upright)
        if self._stamp_s >= self._keyframes_until_s:
            self._lost_view = None
        elif self._lost_view is not None and not self._searched_lost_view:
            self._searched_lost_view = True
            return [self._lost_view]
        self._searched_lost_view = False
        if not self._faces:
            alone = self._stamp_s >= self._alone_from_s
            if alone and self._stamp_s - self._keyframe_s < 0.9 / VIEWS_PER_S_ALONE:
                return []
            views_per_s = VIEWS_PER_S_ALONE if alone else VIEWS_PER_S
            return self._cycle.next_idle(max(round(step_s * views_per_s), 1))
        if self._stamp_s < self._keyframes_until_s:
            return self._cycle.next_idle(1)
        since_s = self._stamp_s - self._keyframe_s
        # at lower rates as often as at 30 Hz
        early = self._since_keyframe < self.every and since_s < (self.every - 0.5) / VIEWS_PER_S
        if early:
            return []
        unseen = min(self._faces, key=lambda face: face.seen_s)
        if self._stamp_s - unseen.seen_s >= CONFIRM_EVERY_S:
            return [unseen.view]
        return [self._cycle.next_tracking()]

    def _due_faces(self, views: list[View]) -> list[TrackedFace]:
        """Return the tracked faces that are to be detected in their regions in this frame."""
        least_s = DETECT_REGION_AT_LEAST_EVERY_S if views else DETECT_REGION_EVERY_S
        # several faces take turns
        early = 0 if views else len(self._faces) // 3
        return [
            face
            for rank, face in enumerate(sorted(self._faces, key=lambda face: face.detected_s))
            if self.every == 1
            or rank < early
            or self._stamp_s - face.detected_s >= least_s
            or face.region_score < _CERTAIN_REGION_SCORE
            or self._below_thresholds(face.detection)
        ]

    def _below_thresholds(self, face: Detection) -> bool:
        return (
            face.score < self._detector.min_detection_score
            or face.box[2] < self._detector.min_face_px
        )

    def _choose_faces(
        self, budget_s: float, views: list[View], due: list[TrackedFace]
    ) -> list[View]:
        """Mark the faces that are read in this frame; return the views that are searched."""
        for face in self._faces:
            face.rests = face not in due and self._is_unchanged(face)
            face.read = not face.rests
        self._left_s = budget_s
        awake = [face for face in self._faces if face.read]
        if math.isinf(budget_s) or not (awake or views):
            return views
        widest = max((face.detection.box[2] for face in awake), default=1.0)
        jobs: list[tuple[float, TrackedFace | None]] = [
            (
                (self._stamp_s - face.read_s)
                / READ_EVERY_S
                * (1 + 0.5 * face.detection.box[2] / widest + face.change),
                face,
            )
            for face in awake
        ]
        # equally urgent faces take turns
        self._turn = (self._turn + 1) % max(len(jobs), 1)
        jobs = jobs[self._turn :] + jobs[: self._turn]
        if views:
            jobs.append((self._since_keyframe / self.every, None))
        searched = False
        for rank, (_, job) in enumerate(sorted(jobs, key=lambda job: -job[0])):
            cost_s = self._costs_s['view'] if job is None else self._face_cost_s(job in due)
            fits = rank == 0 or cost_s <= self._left_s
            self._left_s -= cost_s * fits
            if job is None:
                searched = fits
            else:
                job.read = fits
        return views if searched else []

    def _face_cost_s(self, detected: bool) -> float:
        return self._costs_s['reading'] + detected * self._costs_s['region']

    def _is_unchanged(self, face: TrackedFace) -> bool:
        since_s = self._stamp_s - face.read_s
        return face.change < UNCHANGED_BELOW and since_s < READ_UNCHANGED_EVERY_S

    def _follow(self, image: np.ndarray, due: list[TrackedFace]) -> list[TrackedFace]:
        """
        Move the faces to their places in this frame; drop and return those that are lost.

        Those that are `due` are detected in their regions if they are read, and so are the others
        that cannot be followed reliably. Those that rest are read then, if there is time.
        """
        if self._regions is None:
            # the search of this frame finds the faces again
            lost, self._faces = self._faces, []
            return lost
        detected = [face for face in self._faces if face.read and face in due]
        followed = [face for face in self._faces if face not in detected]
        moved, reliable = self._flow.move(image, [face.detection for face in followed])
        placed: list[Detection] = []
        cost_s = self._face_cost_s(detected=True)
        for face, detection, certain in zip(followed, moved, reliable, strict=True):
            if face.rests and not certain and cost_s <= self._left_s:
                self._left_s -= cost_s
                face.read = True
            face.certain = certain
            if certain or not face.read:
                face.detection = detection
                placed.append(detection)
            else:
                detected.append(face)
            if face.read:
                face.read_s = self._stamp_s
        lost = []
        for face in detected:
            started_s = self._clock()
            found = self._regions.detect_in_region(image, face.detection)
            self.add_cost('region', self._clock() - started_s)
            if found is None or self._below_thresholds(replace(found, score=face.detection.score)):
                lost.append(face)
                self._faces.remove(face)
            elif is_duplicate(found, placed):
                self._faces.remove(face)
            else:
                placed.append(found)
                face.certain = True
                face.region_score = found.score
                face.detected_s = face.read_s = self._stamp_s
                face.detection = replace(found, score=face.detection.score)
        return lost

    def _search(self, image: np.ndarray, views: list[View], ends_s: float) -> bool:
        """Search views until the time ends, at least one; return whether a face is new."""
        count = 0
        for view in dict.fromkeys(views):
            started_s = self._clock()
            known = [replace(f.detection, score=f.region_score) for f in self._faces]
            rejected = self._rejected.get(view, [])
            result = self._views.detect_in_view(
                image, view, known, max_candidates=MAX_CANDIDATES, rejected=rejected
            )
            # where their turn has come again, all others have been examined
            again = any(is_repeated(face, rejected) for face in result.rejected)
            kept = [] if again else rejected[-_MAX_REJECTED:]
            self._rejected[view] = kept + result.rejected
            confirmed = {
                index: score
                for index, score in result.seen.items()
                if score >= self._detector.min_detection_score
            }
            for index, score in confirmed.items():
                face = self._faces[index]
                face.seen_s, face.missed = self._stamp_s, 0
                # the same face has a lower score in a view that is less fit for its size
                if view == face.view or score > face.detection.score:
                    face.detection, face.view = replace(face.detection, score=score), view
            for index, face in enumerate(self._faces):
                face.missed += face.view == view and index not in confirmed
            self._faces = [
                face
                for face in self._faces
                if face.missed < 2 or face.region_score >= _CERTAIN_REGION_SCORE
            ]
            for found in result.faces:
                count += 1
                stamp_s = self._stamp_s
                self._faces.append(TrackedFace(found, view, stamp_s, stamp_s, stamp_s))
            self._since_keyframe, self._keyframe_s = 0, self._stamp_s
            now_s = self._clock()
            self.add_cost('view', now_s - started_s)
            if now_s >= ends_s:
                break
        return count > 0
