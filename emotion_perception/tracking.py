# SPDX-License-Identifier: Apache-2.0
"""Track faces over frames and smooth the expression of each."""

import math
from dataclasses import dataclass, field

import numpy as np

from emotion_perception.adaptation import PersonBaseline
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Detection, HeadPose

TURN_HYSTERESIS = 0.12
"""How far below 1 the `turn_ratio` of a turned head must fall; readings err by a degree or two."""

MIN_POSE_FACE_PX = 40
"""The head pose of nearly all faces of this width can be read, if they are not turned too far."""

HEAD_POSE_VALID_S = 2.0
"""A head pose that could not be read for longer is unknown, as where the time budget is short."""


_NEUTRAL = EMOTIONS.index('neutral')

DEPTH_WEIGHT = 0.3
"""Of a new reading in the mean of a track's `depth_times_width`."""


def is_turned(pose: HeadPose | None, width_px: float, before: bool = False) -> bool:
    """
    Return whether a head is turned too far for its expression to be trusted.

    Args:
        pose: None where it could not be read: of a large face only a profile, or what covers it,
            is seen then.
        width_px: of the face.
        before: whether it was turned too far in the reading before.

    """
    if pose is None:
        return width_px >= MIN_POSE_FACE_PX
    return pose.turn_ratio > 1 - TURN_HYSTERESIS * before


@dataclass
class TrackingSettings:
    """
    Settings of tracking and smoothing.

    Attributes:
        max_gap_s: a face unseen for longer than this is dropped, in seconds.
        smoothing_s: time constant of the smoothing in seconds; 0 turns it off.
        uncertain_below: the label is `uncertain` while the confidence is below this, 0..1.
        hysteresis: how much more probable than the label another expression must be to replace it,
            and how far below `uncertain_below` the confidence of a label may fall, 0..1.
        sensitivity: how readily a weak expression is named in place of neutral: the natural
            logarithm of the factor by which the odds of neutral are divided, 0 or more. With 0
            the result is what most people would say.
        adapt_to_person: name expressions relative to how each person looks when neutral, which is
            learned while the face is tracked.

    """

    max_gap_s: float = 0.7
    smoothing_s: float = 0.25
    uncertain_below: float = 0.75
    hysteresis: float = 0.08
    sensitivity: float = 0.0
    adapt_to_person: bool = False


def sensitive(probabilities: np.ndarray, sensitivity: float) -> np.ndarray:
    """
    Return probabilities with the odds of neutral divided by exp(`sensitivity`).

    Args:
        probabilities: float32 [7], or [N, 7].
        sensitivity: see `TrackingSettings`; 0 returns `probabilities` itself.

    """
    if not sensitivity:
        return probabilities
    weights = np.ones(len(EMOTIONS), np.float32)
    weights[_NEUTRAL] = math.exp(-sensitivity)
    weighted = probabilities * weights
    return weighted / weighted.sum(-1, keepdims=True)


class SmoothedExpression:
    """
    Exponentially smoothed probabilities with a label that does not flicker.

    The weight of a frame depends on the time since the one before, so that the result does not
    depend on the frame rate (Brown, 1959). The label has hysteresis, like a Schmitt trigger.

    Attributes:
        probabilities: float32 [7], sum 1; None before the first frame.
        label: one of `EMOTIONS`, or `UNCERTAIN`.

    """

    def __init__(self) -> None:
        """Start without probabilities, labeled `UNCERTAIN`."""
        self.probabilities: np.ndarray | None = None
        self.label = UNCERTAIN
        self._turned = False

    def update(
        self,
        probabilities: np.ndarray,
        elapsed_s: float,
        settings: TrackingSettings,
        turned: bool = False,
    ) -> None:
        """
        Add one frame.

        Args:
            probabilities: of this frame, float32 [7].
            elapsed_s: time since the frame before, in seconds, 0 or more.
            settings: time constant and thresholds.
            turned: whether the face is turned too far for its expression to be trusted, so that
                the label is `UNCERTAIN`. The smoothing begins anew when the face turns back.

        """
        probabilities = sensitive(probabilities, settings.sensitivity)
        turns_back, self._turned = self._turned and not turned, turned
        if self.probabilities is None or settings.smoothing_s <= 0 or turns_back:
            self.probabilities = probabilities.copy()
        else:
            weight = 1 - math.exp(-elapsed_s / settings.smoothing_s)
            self.probabilities += weight * (probabilities - self.probabilities)
            self.probabilities /= self.probabilities.sum()
        if turned:
            self.label = UNCERTAIN
        else:
            self._choose_label(self.probabilities, settings)

    def _choose_label(self, smoothed: np.ndarray, settings: TrackingSettings) -> None:
        best_label = EMOTIONS[int(smoothed.argmax())]
        best = float(smoothed.max())
        if self.label == UNCERTAIN:
            if best >= settings.uncertain_below:
                self.label = best_label
            return
        current = float(smoothed[EMOTIONS.index(self.label)])
        if best - current > settings.hysteresis:
            self.label = best_label if best >= settings.uncertain_below else UNCERTAIN
        elif current < settings.uncertain_below - settings.hysteresis:
            self.label = UNCERTAIN

    @property
    def confidence(self) -> float:
        """Smoothed probability of the label, or the highest one while uncertain; 0..1."""
        if self.probabilities is None:
            return 0.0
        if self.label == UNCERTAIN:
            return float(self.probabilities.max())
        return float(self.probabilities[EMOTIONS.index(self.label)])


@dataclass
class Track:
    """
    One tracked face; center and side in pixels, velocity in pixels a second.

    Attributes:
        probabilities: of the last reading, float32 [7]; None before the first.
        read_s: stamp of the frame of that reading.
        head_pose: last reading of the head pose; None before the first, or where it showed none.
        head_pose_s: stamp of the frame of that reading.
        head_pose_count: number of readings.
        turned: whether that head was turned too far for its expression to be trusted.
        depth_times_width: the depth of the head in distances of the outer eye corners times the
            width of its box in pixels, a mean over the readings; NaN before the first. It changes
            little while a person comes and goes.
        baseline: what was learned of how the person looks when neutral.

    """

    face_id: int
    first_seen_s: float
    last_seen_s: float
    center: np.ndarray
    side: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    expression: SmoothedExpression = field(default_factory=SmoothedExpression)
    probabilities: np.ndarray | None = None
    read_s: float = -math.inf
    head_pose: HeadPose | None = None
    head_pose_s: float = -math.inf
    head_pose_count: int = 0
    turned: bool = False
    depth_times_width: float = math.nan
    baseline: PersonBaseline = field(default_factory=PersonBaseline)

    def add_head_pose(self, pose: HeadPose | None, stamp_s: float, width_px: float) -> None:
        """
        Add a reading of the head pose; before `add_reading`.

        Args:
            pose: None where it could not be read.
            stamp_s: time of the frame in seconds.
            width_px: of the face.

        """
        self.head_pose, self.head_pose_s = pose, stamp_s
        self.head_pose_count += 1
        self.turned = is_turned(pose, width_px, self.turned)
        if pose is not None and not self.turned:
            product = pose.depth * width_px
            before = self.depth_times_width if self.depth_times_width > 0 else product
            self.depth_times_width = before + DEPTH_WEIGHT * (product - before)

    def current_head_pose(self, stamp_s: float) -> HeadPose | None:
        """Return the last head pose, or None if it is too old at a time."""
        return self.head_pose if stamp_s - self.head_pose_s <= HEAD_POSE_VALID_S else None

    def add_reading(
        self,
        probabilities: np.ndarray,
        stamp_s: float,
        settings: TrackingSettings,
        neutral: np.ndarray | None = None,
    ) -> float:
        """
        Add the classifier's result for one frame.

        Args:
            probabilities: float32 [7].
            stamp_s: time of the frame in seconds, at least that of the last reading.
            settings: of the smoothing.
            neutral: mean `log_probabilities` of neutral faces, float [7]; None if they are not
                known, so that nothing is learned of the person.

        Returns:
            How much it differs from the last reading: total variation distance, 0..1.

        """
        turned = self.turned and stamp_s - self.head_pose_s <= HEAD_POSE_VALID_S
        change = elapsed_s = 0.0
        if self.probabilities is not None:
            change = float(np.abs(probabilities - self.probabilities).sum()) / 2
            elapsed_s = stamp_s - self.read_s
        relative = probabilities
        if settings.adapt_to_person and neutral is not None:
            relative = self.baseline.adapted(probabilities)
            if not turned:
                self.baseline.update(probabilities, elapsed_s, neutral)
        self.expression.update(relative, elapsed_s, settings, turned)
        self.probabilities, self.read_s = probabilities, stamp_s
        return change


class Tracker:
    """
    Associates the faces of each frame with tracks.

    The face nearest to a track's center, predicted at constant velocity, is associated first. This
    is SORT (Bewley et al., 2016) without its Kalman filter, and with distance relative to the size
    of the face in place of overlap, which is 0 for a small face that moves by its width. Ids start
    at 1 and are never used again.
    """

    MAX_STEP = 1.0
    """Largest distance of a face from its predicted center, in sides of its box."""

    MAX_GROWTH = 1.8
    """Largest factor by which the size of a face changes between two frames."""

    VELOCITY_S = 0.05
    """Time constant of the velocity's smoothing: a frame at 30 Hz replaces half of it."""

    def __init__(self, settings: TrackingSettings | None = None):
        """Start without tracks."""
        self.settings = settings or TrackingSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._now_s = -math.inf

    @property
    def ids(self) -> frozenset[int]:
        """Ids of all tracked faces, whether the last frame showed them or not."""
        return frozenset(track.face_id for track in self._tracks)

    @property
    def oldest_head_pose_s(self) -> float:
        """Stamp of the oldest head pose of the faces in the last frame; infinite without any."""
        return min(
            (t.head_pose_s for t in self._tracks if t.last_seen_s == self._now_s), default=math.inf
        )

    def reset(self) -> None:
        """Drop all tracks; their ids are not used again."""
        self._tracks = []
        self._now_s = -math.inf

    def associate(self, faces: list[Detection], stamp_s: float) -> list[Track]:
        """
        Return the track of each face, in the order of `faces`.

        Args:
            faces: detections of one frame, best score first.
            stamp_s: time of the frame in seconds. If it is before the last one, as when a
                recording starts again, all tracks are dropped.

        """
        if stamp_s < self._now_s:
            self.reset()
        self._now_s = stamp_s
        self._tracks = [
            track
            for track in self._tracks
            if stamp_s - track.last_seen_s <= self.settings.max_gap_s
        ]
        chosen: dict[int, Track] = {}
        free = set(range(len(self._tracks)))
        for _, face_index, track_index in sorted(self._pairs(faces, stamp_s)):
            if face_index not in chosen and track_index in free:
                free.discard(track_index)
                chosen[face_index] = self._tracks[track_index]
        return [
            self._move(chosen[index], face, stamp_s)
            if index in chosen
            else self._start(face, stamp_s)
            for index, face in enumerate(faces)
        ]

    def _pairs(self, faces: list[Detection], stamp_s: float) -> list[tuple[float, int, int]]:
        """Return (cost, index of face, index of track) of each possible association."""
        if not faces or not self._tracks:
            return []
        measured = [_center_and_side(face) for face in faces]
        centers = np.array([center for center, _ in measured])[:, None]
        sides = np.array([side for _, side in measured])[:, None]
        predicted = np.array(
            [
                track.center + track.velocity * (stamp_s - track.last_seen_s)
                for track in self._tracks
            ]
        )
        track_sides = np.array([track.side for track in self._tracks])
        larger = np.maximum(sides, track_sides)
        growth = larger / np.minimum(sides, track_sides)
        distances = np.hypot(*np.moveaxis(centers - predicted, -1, 0)) / larger
        costs = distances + 0.5 * np.log(growth)
        possible = (distances <= self.MAX_STEP) & (growth <= self.MAX_GROWTH)
        pairs = np.argwhere(possible).tolist()
        return [(float(costs[face, track]), face, track) for face, track in pairs]

    def _start(self, face: Detection, stamp_s: float) -> Track:
        center, side = _center_and_side(face)
        track = Track(self._next_id, stamp_s, stamp_s, center, side)
        self._next_id += 1
        self._tracks.append(track)
        return track

    def _move(self, track: Track, face: Detection, stamp_s: float) -> Track:
        center, side = _center_and_side(face)
        elapsed_s = stamp_s - track.last_seen_s
        if elapsed_s > 0:
            # weighted by time: two frames a millisecond apart say little about the velocity
            weight = 1 - math.exp(-elapsed_s / self.VELOCITY_S)
            velocity = (center - track.center) / elapsed_s
            track.velocity += weight * (velocity - track.velocity)
        track.center, track.side, track.last_seen_s = center, side, stamp_s
        return track


def _center_and_side(face: Detection) -> tuple[np.ndarray, float]:
    x, y, w, h = face.box
    return np.array((x + w / 2, y + h / 2)), max(math.sqrt(max(w * h, 0.0)), 1.0)
