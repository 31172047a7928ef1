# SPDX-License-Identifier: Apache-2.0
"""Keep images whose label the ten FER+ annotators agree with (Barsoum et al., 2016)."""

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS
from emotion_training.filtering import AGREEMENTS
from emotion_training.filtering.decisions import Decisions, FilterError

_COLUMN_OF_LABEL = np.array([VOTE_COLUMNS.index(name) for name in EMOTIONS])
_UNCLEAR = [VOTE_COLUMNS.index('unknown'), VOTE_COLUMNS.index('NF')]
_TEXT = [{'unknown': 'cannot tell', 'NF': 'no face'}.get(name, name) for name in VOTE_COLUMNS]


def decide(
    data: Dataset, agreement: str = 'plurality', min_share: float = 0.3, keep_unclear: bool = False
) -> Decisions:
    """
    Decide by the votes; all ten vote columns count.

    Args:
        data: a split with votes.
        agreement: ``plurality``: no other column has more votes than the label (ties are kept);
            ``majority``: the label has more than half of the votes; ``soft``: the label has at
            least `min_share` of the votes.
        min_share: minimum fraction for ``soft``, 0..1.
        keep_unclear: also keep images with more than half of the votes for "cannot tell" and "no
            face", if the agreement allows it.

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
    rows, columns = np.arange(len(votes)), _COLUMN_OF_LABEL[data.labels]
    total, own = votes.sum(1), votes[rows, columns]
    others = votes.copy()
    others[rows, columns] = -1
    rival, rival_votes = others.argmax(1), others.max(1)
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
    columns_of_reasons = (data.labels, own, total, rival, rival_votes, unclear & ~keep)
    rule = f'soft, at least {min_share:g} of the votes' if agreement == 'soft' else agreement
    return Decisions(
        'votes',
        rule + (', unclear images kept' if keep_unclear else ''),
        keep,
        tuple(_reason(*row) for row in zip(*columns_of_reasons, strict=True)),
        np.where(named, seven.argmax(1), -1),
    )


def _reason(label: int, own: int, total: int, rival: int, rival_votes: int, unclear: bool) -> str:
    if not total:
        return 'no votes'
    text = f'{own} of {total} say {EMOTIONS[label]}'
    if unclear:
        return f'most cannot tell or see no face; {text}'
    return f'{text}, {rival_votes} {_TEXT[rival]}' if rival_votes else text
