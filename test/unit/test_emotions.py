"""Seven labels in one order, and other people's words for them."""

import pytest

import emotion_perception
from emotion_perception.emotions import (
    EMOTIONS,
    FER2013_CODES,
    HRI_WORDS,
    UNCERTAIN,
    canonical_emotion,
)


def test_order():
    """The order is the alphabetical one, which Keras gives to folders."""
    expected = ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
    assert expected == EMOTIONS
    assert tuple(sorted(EMOTIONS)) == EMOTIONS
    assert UNCERTAIN == 'uncertain'
    assert UNCERTAIN not in EMOTIONS


def test_package_exports():
    """The package shows the same objects, and says what it lacks."""
    assert emotion_perception.EMOTIONS is EMOTIONS
    assert emotion_perception.UNCERTAIN is UNCERTAIN
    with pytest.raises(AttributeError, match="has no attribute 'Emotions'"):
        _ = emotion_perception.Emotions


@pytest.mark.parametrize(
    ('code', 'label'),
    list(enumerate(('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral'))),
)
def test_codes_of_fer2013(code, label):
    """Codes of fer2013.csv follow another order than ours."""
    assert FER2013_CODES[code] == label
    assert canonical_emotion(str(code)) == label


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
    """Folder names and adjectives stand for the labels, in any case."""
    assert canonical_emotion(word) == label


@pytest.mark.parametrize('word', ['', ' ', 'contempt', '7', '10', '-1', '3.0', 'uncertain', '²'])
def test_unknown_words(word):
    """Anything else is refused with the list of what is accepted."""
    with pytest.raises(
        ValueError, match=r'unknown expression .*; use one of anger, .*happy, .* 6'
    ):
        canonical_emotion(word)


def test_words_of_hri_msgs():
    """Each label has a word, which stands for that label alone; `uncertain` has none."""
    assert tuple(HRI_WORDS) == EMOTIONS
    assert [canonical_emotion(word) for word in HRI_WORDS.values()] == list(EMOTIONS)
