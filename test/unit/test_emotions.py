# SPDX-License-Identifier: Apache-2.0
"""Seven labels in one order, and the words that datasets and packages use for them."""

import pytest

import emotion_perception
from emotion_perception.emotions import (
    EMOTIONS,
    FER2013_CODES,
    HRI_WORDS,
    UNCERTAIN,
    canonical_emotion,
)


def test_the_order_is_alphabetical():
    expected = ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
    assert expected == EMOTIONS
    assert tuple(sorted(EMOTIONS)) == EMOTIONS
    assert UNCERTAIN == 'uncertain'


def test_exports_of_the_package():
    assert emotion_perception.EMOTIONS is EMOTIONS
    assert emotion_perception.UNCERTAIN is UNCERTAIN
    with pytest.raises(AttributeError, match="has no attribute 'Emotions'"):
        _ = emotion_perception.Emotions


def test_codes_of_fer2013():
    expected = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    assert expected == FER2013_CODES
    assert tuple(canonical_emotion(str(code)) for code in range(7)) == expected


@pytest.mark.parametrize(
    ('word', 'label'),
    [
        ('angry', 'anger'),
        ('disgusted', 'disgust'),
        ('afraid', 'fear'),
        ('fearful', 'fear'),
        ('scared', 'fear'),
        ('happy', 'happiness'),
        ('sad', 'sadness'),
        ('surprised', 'surprise'),
        ('Happy', 'happiness'),
        (' SAD\n', 'sadness'),
        ('Neutral', 'neutral'),
        *((label, label) for label in EMOTIONS),
    ],
)
def test_words(word, label):
    assert canonical_emotion(word) == label


@pytest.mark.parametrize('word', ['', ' ', 'contempt', '7', '10', '-1', '3.0', 'uncertain', '²'])
def test_unknown_words(word):
    with pytest.raises(
        ValueError, match=r'unknown expression .*; use one of anger, .*happy, .* 6'
    ):
        canonical_emotion(word)


def test_words_of_hri_msgs():
    assert tuple(HRI_WORDS) == EMOTIONS
    assert [canonical_emotion(word) for word in HRI_WORDS.values()] == list(EMOTIONS)
