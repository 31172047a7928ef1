"""Keep images whose label the ten people of FER+ see too (Barsoum et al., 2016)."""

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS
from emotion_training.filtering import AGREEMENTS
from emotion_training.filtering.verdicts import FilterError, Verdicts

_COLUMN_OF_LABEL = np.array([VOTE_COLUMNS.index(name) for name in EMOTIONS])
_UNCLEAR = [VOTE_COLUMNS.index('unknown'), VOTE_COLUMNS.index('NF')]
_WORDS = tuple(
    {'unknown': 'cannot tell', 'NF': 'no face'}.get(name, name) for name in VOTE_COLUMNS
)


def judge(
    data: Dataset, agreement: str = 'plurality', min_share: float = 0.3, keep_unclear: bool = False
) -> Verdicts:
    """
    ValidationCallback images by their votes; every one of the ten answers counts as an answer.

    Args:
        data: a split with votes.
        agreement: ``plurality``: no other answer has more votes than the label (a tie stays);
            ``majority``: more than half of the people name the label; ``soft``: at least
            `min_share` of them do, whatever the others say.
        min_share: for ``soft``, 0..1.
        keep_unclear: keep images of which more than half say "cannot tell" or "no face", where
            the agreement allows it; else they go.

    Raises:
        FilterError: if the split has no votes or an option is out of range.

    """
    if data.votes is None:
        raise FilterError(
            'votes: this dataset has no FER+ votes; build it with --votes fer2013new.csv'
        )
    if agreement not in AGREEMENTS:
        raise FilterError(f'votes: agreement is {agreement!r}, expected {", ".join(AGREEMENTS)}')
    if not 0 < min_share <= 1:
        raise FilterError(f'votes: min-share is {min_share}, expected above 0 and at most 1')
    votes = data.votes.astype(int)
    rows = np.arange(len(votes))
    total = votes.sum(1)
    own = votes[rows, _COLUMN_OF_LABEL[data.labels]]
    others = votes.copy()
    others[rows, _COLUMN_OF_LABEL[data.labels]] = -1
    rival = others.argmax(1)
    rival_votes = others[rows, rival]
    keep = {
        'plurality': own >= np.maximum(rival_votes, 1),
        'majority': own * 2 > total,
        'soft': (own >= min_share * total - 1e-9) & (own > 0),
    }[agreement]
    unclear = votes[:, _UNCLEAR].sum(1) * 2 > total
    if not keep_unclear:
        keep = keep & ~unclear
    seven = votes[:, _COLUMN_OF_LABEL]
    named = (seven.max(1) > 0) & (seven.max(1) == votes.max(1))
    reasons = tuple(
        _reason(EMOTIONS[label], int(mine), int(all_), _WORDS[other], int(theirs), vague)
        for label, mine, all_, other, theirs, vague in zip(
            data.labels, own, total, rival, rival_votes, unclear & ~keep, strict=True
        )
    )
    rule = f'soft, at least {min_share:g} of the votes' if agreement == 'soft' else agreement
    return Verdicts(
        'votes',
        rule + (', unclear images kept' if keep_unclear else ''),
        keep,
        reasons,
        np.where(named, seven.argmax(1), -1),
    )


def _reason(label: str, own: int, total: int, rival: str, theirs: int, unclear: bool) -> str:
    if not total:
        return 'nobody voted'
    said = f'{own} of {total} say {label}'
    if unclear:
        return f'most cannot tell or see no face; {said}'
    return f'{said}, {theirs} {rival}' if theirs else said
