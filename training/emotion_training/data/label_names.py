# SPDX-License-Identifier: Apache-2.0
"""What the names of class folders mean: words, the numbers of known datasets, other languages."""

import csv
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emotion_perception.classification import EmotionClassifier
from emotion_perception.emotions import EMOTIONS, FER2013_CODES, canonical_emotion
from emotion_perception.runtime.quiet import without_library_notes
from emotion_training.data.fer2013 import DatasetError

CONTEMPT = 'contempt'
"""An expression of several datasets that is none of the seven; its images are left out."""

_FURTHER_NAMES = {
    name: label
    for label, names in {
        'anger': 'an mad',
        'disgust': 'di disgusting',
        'fear': 'af fe',
        'happiness': 'ha joy joyful smiling',
        'neutral': 'ne natural neutrality',
        'sadness': 'sa sorrow',
        'surprise': 'su suprise suprised surprize surprized',  # codespell:ignore
        CONTEMPT: 'contempt contemptuous',
    }.items()
    for name in names.split()
}
"""Codes of JAFFE (Lyons et al., 1998) and KDEF (Lundqvist et al., 1998), and common spellings."""

NUMBERINGS: dict[str, dict[str, str]] = {
    'fer2013': {str(code): label for code, label in enumerate(FER2013_CODES)},
    'affectnet': {
        '0': 'neutral', '1': 'happiness', '2': 'sadness', '3': 'surprise', '4': 'fear',
        '5': 'disgust', '6': 'anger', '7': CONTEMPT,
    },
    'rafdb': {
        '1': 'surprise', '2': 'fear', '3': 'disgust', '4': 'happiness', '5': 'sadness',
        '6': 'anger', '7': 'neutral',
    },
    'ckplus': {
        '0': 'neutral', '1': 'anger', '2': CONTEMPT, '3': 'disgust', '4': 'fear',
        '5': 'happiness', '6': 'sadness', '7': 'surprise',
    },
}  # fmt: skip
"""
Meaning of each number in FER2013 (Goodfellow et al., 2013), AffectNet (Mollahosseini et al.,
2019), RAF-DB (Li et al., 2017) and CK+ (Lucey et al., 2010).
"""

_CLEARLY = 0.2
"""Difference in agreement from which another numbering fits better beyond doubt."""


def _word(name: str) -> str:
    """Return a name in lower case; archives made on macOS hold letters and accents apart."""
    return unicodedata.normalize('NFC', name).strip().lower()


class LabelNames:
    """The label of each name of a class folder."""

    def __init__(self, codes: str = '', names: Mapping[str, str] | None = None):
        """
        Set what is known.

        Args:
            codes: a key of `NUMBERINGS`, for folders that are named by numbers.
            names: further name (in lower case) -> label.

        """
        self.codes = codes
        self._names = dict(names or {})

    def label(self, name: str) -> str:
        """
        Return the label that a name stands for, or `CONTEMPT`.

        Numbers and marks around a word, as in ``03_happy``, mean nothing.

        Raises:
            ValueError: if it stands for neither; the message says what to do.

        """
        word = _word(name)
        if word in self._names:
            return self._names[word]
        if not word.isdecimal():
            bare = word.strip('0123456789 _-.,()') or word
            return _FURTHER_NAMES.get(bare) or canonical_emotion(bare)
        if not self.codes:
            raise ValueError(
                f'{name} is a number, which datasets use differently: give --codes '
                f'{", ".join(NUMBERINGS)}, or --classes with a file of your own'
            )
        label = NUMBERINGS[self.codes].get(str(int(word)), '')
        if not label:
            raise ValueError(f'{name} stands for nothing in --codes {self.codes}')
        return label


def read_names(path: Path) -> dict[str, str]:
    """
    Return name (in lower case) -> label from a csv file with a name and a label in each row.

    They are separated by a comma or, as Excel does in Europe, by a semicolon.

    Raises:
        DatasetError: if a row has no name, or no label of the seven.

    """
    names: dict[str, str] = {}
    try:
        text = path.read_text('utf-8-sig')
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from None
    except UnicodeDecodeError:
        raise DatasetError(f'{path} is not UTF-8; save it so') from None
    for number, row in enumerate(csv.reader(text.replace(';', ',').splitlines()), 1):
        if not row:
            continue
        if len(row) != 2 or not row[0].strip():
            raise DatasetError(f'{path}, line {number}: expected NAME,EXPRESSION')
        try:
            names[_word(row[0])] = LabelNames().label(row[1])
        except ValueError as error:
            raise DatasetError(f'{path}, line {number}: {error}') from None
    return names


def check_numbering(codes: str, images: np.ndarray, numbers: np.ndarray) -> None:
    """
    Check that the faces do not contradict a numbering.

    The packaged model may be wrong about many of them, but another known numbering must not fit
    clearly better.

    Args:
        codes: a key of `NUMBERINGS`.
        images: uint8 [N, 48, 48].
        numbers: the name of each image's class folder, text [N].

    Raises:
        DatasetError: if another one does.

    """
    with without_library_notes():
        predicted = EmotionClassifier.load().classify(images).argmax(1)

    def agreement(name: str) -> float:
        meanings = [NUMBERINGS[name].get(str(int(number)), '') for number in numbers]
        pairs = zip(meanings, predicted, strict=True)
        return float(np.mean([label == EMOTIONS[index] for label, index in pairs]))

    agreements = {name: agreement(name) for name in NUMBERINGS}
    best = max(agreements, key=agreements.__getitem__)
    if agreements[best] > agreements[codes] + _CLEARLY:
        raise DatasetError(
            f'the faces contradict --codes {codes}: the packaged model sees '
            f'{agreements[codes]:.0%} of them so, and {agreements[best]:.0%} as in --codes '
            f'{best}; --trust-codes builds the dataset all the same'
        )
