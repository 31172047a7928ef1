"""The seven expression labels in the one order that everything uses, and other people's names for them."""

EMOTIONS = ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
"""Labels in the order of every probability vector; alphabetical, so Keras gives folders the same order."""

UNCERTAIN = 'uncertain'
"""What a smoothed label says where no expression is confident enough; never one of `EMOTIONS`."""

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
"""The word of hri_msgs/Expression (REP-155) for each label; it has none for `UNCERTAIN`."""

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
    Return the label in `EMOTIONS` that a folder name or another package's word stands for.

    Args:
        name: a label, an adjective such as ``happy``, or a FER2013 code ``'0'`` to ``'6'``; case and
            surrounding blanks do not matter.

    Raises:
        ValueError: if the word stands for none of the seven; the message lists the accepted ones.

    """
    word = name.strip().lower()
    if word.isdecimal() and int(word) < len(FER2013_CODES):
        return FER2013_CODES[int(word)]
    word = _ALIASES.get(word, word)
    if word not in EMOTIONS:
        accepted = ', '.join([*EMOTIONS, *_ALIASES])
        raise ValueError(f'unknown expression {name!r}; use one of {accepted}, or a code 0 to 6')
    return word
