# SPDX-License-Identifier: Apache-2.0
"""Values on the command line: numbers with their ranges, the order of labels."""

import argparse
import math

from emotion_perception.emotions import label_order


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def positive_number(text: str) -> float:
    """Parse a finite number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def whole_number(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number above 0')
    return int(text)


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 1')
    return value


def labels(text: str) -> tuple[str, ...]:
    """Parse the order of a model's outputs."""
    try:
        return label_order(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
