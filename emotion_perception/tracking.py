"""Follow faces from frame to frame, and smooth what each shows."""

import math
from dataclasses import dataclass, field

import numpy as np

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Detection


@dataclass
class TrackingSettings:
    """
    What may be changed while faces are followed.

    Attributes:
        max_gap_s: a face unseen for longer is forgotten.
        smoothing_s: time constant of the smoothing; 0 turns it off.
        uncertain_below: the label is `uncertain` while the confidence is below this, 0..1.
        hysteresis: how much better than the shown label another must be to take its place, and how far
            below `uncertain_below` the confidence of a shown label may fall, 0..1.

    """

    max_gap_s: float = 0.7
    smoothing_s: float = 0.35
    uncertain_below: float = 0.6
    hysteresis: float = 0.08


class SmoothedExpression:
    """
    Exponentially smoothed probabilities with a label that does not flicker.

    The weight of a new frame follows from the time since the last (Brown, 1959, for uneven steps), so
    that the answer does not depend on the frame rate. The label changes like a Schmitt trigger.
    """

    def __init__(self) -> None:
        """Begin without an opinion."""
        self.probabilities: np.ndarray | None = None
        self.label = UNCERTAIN

    def update(
        self, probabilities: np.ndarray, elapsed_s: float, settings: TrackingSettings
    ) -> None:
        """
        Take in one frame's probabilities, float32 [7].

        Args:
            probabilities: of this frame.
            elapsed_s: time since the frame before, in seconds; not below 0.
            settings: time constant and thresholds.

        """
        if self.probabilities is None or settings.smoothing_s <= 0:
            self.probabilities = probabilities.copy()
        else:
            weight = 1 - math.exp(-elapsed_s / settings.smoothing_s)
            self.probabilities += weight * (probabilities - self.probabilities)
            self.probabilities /= self.probabilities.sum()
        self._choose_label(self.probabilities, settings)

    def _choose_label(self, smoothed: np.ndarray, settings: TrackingSettings) -> None:
        leader = EMOTIONS[int(smoothed.argmax())]
        best = float(smoothed.max())
        if self.label == UNCERTAIN:
            if best >= settings.uncertain_below:
                self.label = leader
            return
        shown = float(smoothed[EMOTIONS.index(self.label)])
        if best - shown > settings.hysteresis:
            self.label = leader if best >= settings.uncertain_below else UNCERTAIN
        elif shown < settings.uncertain_below - settings.hysteresis:
            self.label = UNCERTAIN

    @property
    def confidence(self) -> float:
        """Smoothed probability of the shown label, or of the leading one while uncertain; 0..1."""
        if self.probabilities is None:
            return 0.0
        if self.label == UNCERTAIN:
            return float(self.probabilities.max())
        return float(self.probabilities[EMOTIONS.index(self.label)])


@dataclass
class Track:
    """One face that is followed."""

    face_id: int
    first_seen_s: float
    last_seen_s: float
    center: np.ndarray
    side: float
    elapsed_s: float = 0.0  # between the last two times the face was seen
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    expression: SmoothedExpression = field(default_factory=SmoothedExpression)


class Tracker:
    """
    Give each face an id that stays for as long as it is followed.

    Nearest predicted center first, with constant velocity: SORT (Bewley et al., 2016) without its
    Kalman filter, and with distance relative to the face's size in place of overlap, which still
    tells where a small face jumped by more than its width. Ids start at 1 and are never used again.
    """

    MAX_STEP = 1.0
    """Farthest a face may be from where it was expected, in sides of its box."""

    MAX_GROWTH = 1.8
    """A face cannot change its size by more than this factor between two frames."""

    VELOCITY_S = 0.05
    """Time constant of the velocity's smoothing: half of it is new after a frame at 30 Hz."""

    def __init__(self, settings: TrackingSettings | None = None):
        """Begin without faces."""
        self.settings = settings or TrackingSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._now_s = -math.inf

    @property
    def ids(self) -> frozenset[int]:
        """Ids of the faces that are followed, whether the last image showed them or not."""
        return frozenset(track.face_id for track in self._tracks)

    def reset(self) -> None:
        """Forget all faces; ids go on."""
        self._tracks = []
        self._now_s = -math.inf

    def associate(self, faces: list[Detection], stamp_s: float) -> list[Track]:
        """
        Return the track of each face, in the order of `faces`.

        Args:
            faces: what the detector saw, best first.
            stamp_s: time of the image in seconds. Where it lies before the last one the recording
                or the clock began anew: all tracks are dropped.

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
        for _, face_index, track_index in sorted(self._candidates(faces, stamp_s)):
            if face_index not in chosen and track_index in free:
                free.discard(track_index)
                chosen[face_index] = self._tracks[track_index]
        return [
            self._move(chosen[index], face, stamp_s)
            if index in chosen
            else self._begin(face, stamp_s)
            for index, face in enumerate(faces)
        ]

    def _candidates(self, faces: list[Detection], stamp_s: float) -> list[tuple[float, int, int]]:
        pairs = []
        for track_index, track in enumerate(self._tracks):
            expected = track.center + track.velocity * (stamp_s - track.last_seen_s)
            for face_index, face in enumerate(faces):
                center, side = _centre_and_side(face)
                larger, smaller = max(side, track.side), max(min(side, track.side), 1e-6)
                distance = float(np.hypot(*(center - expected))) / larger
                if distance <= self.MAX_STEP and larger / smaller <= self.MAX_GROWTH:
                    pairs.append(
                        (distance + 0.5 * math.log(larger / smaller), face_index, track_index)
                    )
        return pairs

    def _begin(self, face: Detection, stamp_s: float) -> Track:
        center, side = _centre_and_side(face)
        track = Track(self._next_id, stamp_s, stamp_s, center, side)
        self._next_id += 1
        self._tracks.append(track)
        return track

    def _move(self, track: Track, face: Detection, stamp_s: float) -> Track:
        center, side = _centre_and_side(face)
        track.elapsed_s = stamp_s - track.last_seen_s
        if track.elapsed_s > 0:
            # over time and not over frames: two images a millisecond apart say little of speed
            weight = 1 - math.exp(-track.elapsed_s / self.VELOCITY_S)
            speed = (center - track.center) / track.elapsed_s
            track.velocity += weight * (speed - track.velocity)
        track.center, track.side, track.last_seen_s = center, side, stamp_s
        return track


def _centre_and_side(face: Detection) -> tuple[np.ndarray, float]:
    x, y, w, h = face.box
    return np.array((x + w / 2, y + h / 2)), max(math.sqrt(max(w * h, 0.0)), 1.0)
