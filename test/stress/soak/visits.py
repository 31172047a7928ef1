"""Who is in front of the soak's camera and when: people come and go, cross, crowd, and the lights go out."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

ROUND_S = 40.0
"""How long one round of all acts takes; everything in it is scaled when it shall be shorter."""

CROWD = 10
"""People at once in the fullest act."""


@dataclass(frozen=True)
class Place:
    """Where a head is: its middle and its side, as shares of the picture's height."""

    person: float  # 0 to 1: which of the heads there are
    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Visit:
    """
    One person from coming to going.

    Attributes:
        person: which of the heads there are, as a share of them.
        comes_s, goes_s: within the round.
        spot: where the person stands, as shares of the picture's height; walkers pass it.
        side: of the head, as a share of the picture's height; `last_side` when the person goes.
        way: ``'stand'`` (walks in, stands, walks out again), ``'cross'`` or ``'cross back'`` (walks past),
            ``'sudden'`` (is there at once).

    """

    person: float
    comes_s: float
    goes_s: float
    spot: tuple[float, float]
    side: float
    last_side: float
    way: str

    def place(self, time_s: float, width: float) -> Place | None:
        """Return where the person is; None while away. `width` is that of the picture in heights."""
        if not self.comes_s <= time_s < self.goes_s:
            return None
        done = (time_s - self.comes_s) / (self.goes_s - self.comes_s)
        side = self.side + (self.last_side - self.side) * done
        x, y = self.spot
        outside = -side / 2, width + side / 2
        if self.way == 'cross':
            x = outside[0] + (outside[1] - outside[0]) * done
        elif self.way == 'cross back':
            x = outside[1] + (outside[0] - outside[1]) * done
        elif self.way == 'stand':
            # a quarter of the visit to walk in from the nearer edge, a quarter to walk out
            edge = outside[0] if x < width / 2 else outside[1]
            x += (edge - x) * max(0.0, 1 - min(done, 1 - done) * 4)
            x += 0.01 * math.sin(2 * math.pi * time_s / 1.7)
        return Place(self.person, x, y + 0.01 * math.sin(2 * math.pi * time_s / 2.3), side)


@dataclass(frozen=True)
class Programme:
    """
    Rounds of the same acts, with other people in other places each time; the same for the same seed.

    Attributes:
        seed: of the people and places.
        frames: how many pictures somebody may be in; after them the room stays empty.
        rate_hz: of the camera.
        round_s: how long one round of all acts takes.
        size: width and height of the pictures.

    """

    seed: int = 0
    frames: int = 1200
    rate_hz: float = 30.0
    round_s: float = ROUND_S
    size: tuple[int, int] = (640, 480)

    @property
    def round_frames(self) -> int:
        """Pictures in a round."""
        return round(self.round_s * self.rate_hz)

    def places(self, index: int) -> list[Place]:
        """Return where heads are in picture `index`, from 0; those behind come first."""
        if not 0 <= index < self.frames:
            return []
        number, within = divmod(index, self.round_frames)
        time_s = within / self.round_frames * ROUND_S
        width = self.size[0] / self.size[1]
        found = (visit.place(time_s, width) for visit in _round(self.seed, number))
        return sorted((place for place in found if place), key=lambda place: place.side)

    def light(self, index: int) -> float:
        """Return how bright picture `index` is, 0 to 1: once in a round the lights go out."""
        time_s = index % self.round_frames / self.round_frames * ROUND_S
        return float(np.interp(time_s, (27.5, 28.5, 30.0, 31.0), (1.0, 0.0, 0.0, 1.0)))

    def is_empty(self, index: int, before_s: float = 0.0, after_s: float = 0.0) -> bool:
        """Tell whether nobody is in picture `index`, nor for so long before and after it."""
        step = max(round(self.rate_hz / 10), 1)
        first, last = index - before_s * self.rate_hz, index + after_s * self.rate_hz
        around = range(math.floor(first), math.ceil(last) + step, step)
        return first >= 0 and not any(self.places(other) for other in (index, *around))

    def visits(self, frames: int) -> int:
        """Return how many visits began within the first so many pictures."""
        whole, within = divmod(min(frames, self.frames), self.round_frames)
        time_s = within / self.round_frames * ROUND_S
        begun = sum(visit.comes_s < time_s for visit in _round(self.seed, whole))
        return begun + sum(len(_round(self.seed, number)) for number in range(whole))


@lru_cache(maxsize=4096)
def _round(seed: int, number: int) -> tuple[Visit, ...]:
    rng = np.random.default_rng((seed, number))
    person = rng.random

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    visits = []
    # one comes, stays a while and goes, nearer or farther than at first
    visits.append(
        Visit(
            person(), 3.0, 8.0, (between(0.4, 0.9), between(0.4, 0.6)),
            between(0.25, 0.5), between(0.25, 0.5), 'stand',
        )
    )  # fmt: skip
    # two cross, one before the other, a third in the other half of the picture
    for way, y, side in (('cross', 0.5, 0.3), ('cross back', 0.55, 0.4), ('cross', 0.2, 0.2)):
        begins = between(9.0, 10.0)
        visits.append(Visit(person(), begins, begins + 6, (0, y), side, side, way))
    # a crowd: one after the other, all at once for a while, and out again
    for index in range(CROWD):
        spot = (0.15 + 0.26 * (index % 5), 0.3 + 0.4 * (index // 5))
        side = between(0.17, 0.23)
        visits.append(
            Visit(person(), between(16.5, 18), between(22, 24), spot, side, side, 'stand')
        )
    # the lights go out on two
    for x in (0.4, 0.9):
        side = between(0.25, 0.4)
        visits.append(Visit(person(), 26.0, 33.0, (x, 0.5), side, side, 'stand'))
    # somebody is there, and is not, and is
    for index in range(3):
        side = between(0.25, 0.45)
        begins = 34.0 + 1.5 * index
        spot = between(0.3, 1.0), between(0.35, 0.65)
        visits.append(Visit(person(), begins, begins + 0.7, spot, side, side, 'sudden'))
    return tuple(visits)
