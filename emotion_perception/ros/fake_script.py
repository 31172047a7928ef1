# SPDX-License-Identifier: Apache-2.0
"""Scripts of fake people: words with times, such as `smile@2s 2:appear@3s leave@5s`."""

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from emotion_perception.emotions import EMOTIONS, HRI_WORDS, UNCERTAIN
from emotion_perception.errors import SourceError

APPEAR, LEAVE, LOOK, LOOK_AWAY = 'appear', 'leave', 'look', 'look_away'
EXPRESSIONS = {
    'smile': 'happiness',
    **{word: label for label, word in HRI_WORDS.items()},
    **{label: label for label in (*EMOTIONS, UNCERTAIN)},
}
"""Word of a script -> label."""

WORDS = (APPEAR, LEAVE, LOOK, LOOK_AWAY, *EXPRESSIONS)
MAX_PEOPLE = 6
"""As many faces as fit side by side."""

TAIL_S = 2.0
"""How long a script goes on after its last word, in seconds, so that its effect is seen."""

_STEP = re.compile(r'(?:(?P<person>\d+):)?(?P<word>[^@:]+)@(?P<time>[\d.]+)s?', re.ASCII)


class Step(NamedTuple):
    """What a person, numbered from 1, does at a time in seconds."""

    person: int
    at_s: float
    word: str


@dataclass(frozen=True)
class Visit:
    """
    A person's stay in front of the camera, from `start_s` until before `end_s`.

    Attributes:
        person: number in the script.
        start_s: of the first image with the person, in seconds from the beginning.
        end_s: of the first image without them.
        labels: (time in seconds, label), the first at `start_s`; sorted by time.
        looking: (time in seconds, whether the person looks at the camera), likewise.

    """

    person: int
    start_s: float
    end_s: float
    labels: tuple[tuple[float, str], ...]
    looking: tuple[tuple[float, bool], ...]


def parse_step(text: str) -> Step:
    """Parse `word@seconds` or `person:word@seconds`, a value on the command line."""
    found = _STEP.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a word with a time, such as smile@2s, or 2:smile@2s for person 2'
        )
    word = found['word'].lower().replace('-', '_')
    if word not in WORDS:
        raise argparse.ArgumentTypeError(
            f'{found["word"]!r} is not a word of a script; use one of {", ".join(WORDS)}'
        )
    try:
        at_s = float(found['time'])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{found["time"]!r} in {text!r} is not a number of seconds'
        ) from None
    person = int(found['person'] or 1)
    if not 1 <= person <= MAX_PEOPLE:
        raise argparse.ArgumentTypeError(
            f'person {person} in {text!r}: people are numbered from 1 to {MAX_PEOPLE}'
        )
    return Step(person, at_s, word)


def duration_s(steps: Iterable[Step]) -> float:
    """Return how long a script takes, in seconds."""
    return max(step.at_s for step in steps) + TAIL_S


def visits(steps: Iterable[Step]) -> list[Visit]:
    """
    Return the stays of all people, in the order in which they begin.

    A person whose first word is not `appear` is there from the beginning; with `appear` they come
    with a neutral expression and look at the camera.

    Raises:
        SourceError: if a person does something while they are not there, or appears twice.

    """
    # of the words at one time `appear` is the first, and `leave` the last
    ranks = {APPEAR: -1, LEAVE: 1}
    steps = sorted(steps, key=lambda step: (step.person, step.at_s, ranks.get(step.word, 0)))
    end_s = duration_s(steps)
    found = []
    for _, group in groupby(steps, key=lambda step: step.person):
        found += _visits_of_one(list(group), end_s)
    return sorted(found, key=lambda visit: (visit.start_s, visit.person))


def _visits_of_one(steps: list[Step], end_s: float) -> list[Visit]:
    if steps[0].word != APPEAR:
        steps = [Step(steps[0].person, 0.0, APPEAR), *steps]
    stays: list[list[Step]] = []
    there = False
    for step in steps:
        if (step.word == APPEAR) == there:
            state = 'is already there' if there else 'is not there'
            advice = 'leave' if there else 'appear'
            raise SourceError(
                f'person {step.person} {state} at {step.at_s:g} s ({step.word}); '
                f'add {advice} before it'
            )
        if step.word == APPEAR:
            stays.append([])
        there = step.word != LEAVE
        stays[-1].append(step)
    return [_visit(stay, end_s) for stay in stays]


def _visit(stay: list[Step], end_s: float) -> Visit:
    start, last = stay[0], stay[-1]
    labels = [(start.at_s, 'neutral')]
    labels += [(step.at_s, EXPRESSIONS[step.word]) for step in stay if step.word in EXPRESSIONS]
    looking = [(start.at_s, True)]
    looking += [(step.at_s, step.word == LOOK) for step in stay if step.word in (LOOK, LOOK_AWAY)]
    left_s = last.at_s if last.word == LEAVE else end_s
    return Visit(start.person, start.at_s, left_s, tuple(labels), tuple(looking))
