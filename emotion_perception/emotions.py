# SPDX-License-Identifier: Apache-2.0
"""The seven expression labels in their one order, and the names that datasets and packages use."""

from collections.abc import Sequence

EMOTIONS = ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
"""Labels in the order of every probability vector: alphabetical, as Keras sorts class folders."""

UNCERTAIN = 'uncertain'
"""The smoothed label while no expression is confident enough; not one of `EMOTIONS`."""

FER2013_CODES = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
"""Label of each integer code in the `emotion` column of fer2013.csv (Goodfellow et al., 2013)."""

HRI_WORDS = {
    'anger': 'angry',
    'disgust': 'disgusted',
    'fear': 'scared',
    'happiness': 'happy',
    'neutral': 'neutral',
    'sadness': 'sad',
    'surprise': 'surprised',
}
"""Label to the value of hri_msgs/Expression (REP-155), which has none for `UNCERTAIN`."""

_ALIASES = {
    'angry': 'anger',
    'disgusted': 'disgust',
    'afraid': 'fear',
    'fearful': 'fear',
    'scared': 'fear',
    'happy': 'happiness',
    'sad': 'sadness',
    'surprised': 'surprise',
}


def canonical_emotion(name: str) -> str:
    """
    Return the label in `EMOTIONS` for a folder name or another package's word.

    Args:
        name: a label, an adjective such as ``happy``, or a FER2013 code ``'0'`` to ``'6'``; case
            and surrounding blanks are ignored.

    Raises:
        ValueError: if it names none of the seven; the message lists the accepted words.

    """
    word = name.strip().lower()
    if word.isdecimal() and int(word) < len(FER2013_CODES):
        return FER2013_CODES[int(word)]
    word = _ALIASES.get(word, word)
    if word not in EMOTIONS:
        accepted = ', '.join([*EMOTIONS, *_ALIASES])
        raise ValueError(f'unknown expression {name!r}; use one of {accepted}, or a code 0 to 6')
    return word


def label_order(names: str | Sequence[str]) -> tuple[str, ...]:
    """
    Return the order of a model's outputs as labels.

    Args:
        names: the seven expressions as `canonical_emotion` takes them, a list or separated by
            commas; ``'fer2013'`` is the order of `FER2013_CODES`.

    Raises:
        ValueError: if it is not each of the seven once.

    """
    if names == 'fer2013':
        return FER2013_CODES
    words = names.split(',') if isinstance(names, str) else names
    # numbers would say nothing: what they mean is what is asked for
    order = tuple('' if str(word).isdecimal() else canonical_emotion(str(word)) for word in words)
    if sorted(order) != sorted(EMOTIONS):
        raise ValueError(
            f'the labels must be each of {", ".join(EMOTIONS)} once, in the order of the '
            f"model's outputs, or fer2013; not {', '.join(map(str, words))}"
        )
    return order
