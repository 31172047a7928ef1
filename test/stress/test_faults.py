# SPDX-License-Identifier: Apache-2.0
"""Each fault in short; `make faults` tries them for minutes."""

import pytest

from stress.faults.__main__ import TRIALS, run_trial
from stress.faults.trial import Result, seeds_sentence, trials_table
from support.tables import cells_of

SHORT_MINUTES = {
    'kills': 0.36, 'stalls': 0.6, 'lifecycle': 0.6, 'parameters': 0.7, 'stamps': 0.45,
    'subscribers': 0.3, 'silent': 0.3,
}  # fmt: skip
"""Trial -> minutes, which set the number of tries."""


@pytest.mark.stress
@pytest.mark.parametrize('name', TRIALS)
def test_nothing_is_lost(name):
    result = run_trial(name, seed=6, minutes=SHORT_MINUTES[name])
    print(result)
    assert result.tried >= 2
    assert result.lost == dict.fromkeys(result.lost, 0), result


def test_table():
    kept = Result('kill -9', 3, {'recoveries': 0}, 7, [0.5, 2.25, 1.0], {'growth_mb': 0.1})
    lost = Result('crowd', 10, {'messages': 2, 'nodes that ended': 0})
    assert (kept.passed, lost.passed) == (True, False)
    records = {'kills': kept.to_record(), 'crowd': lost.to_record()}
    assert records['kills']['median_s'] == 1.0
    assert cells_of(trials_table(records))[2:] == [
        ['kill -9', '3', 'nothing', '2.25 s', 'growth 0.1 MB'],
        ['crowd', '10', '2 messages', '', ''],
    ]
    assert seeds_sentence(records) == 'Seed 7.'
