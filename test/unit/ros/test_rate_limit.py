# SPDX-License-Identifier: Apache-2.0
"""At most so many a second, on average, whatever the rate of the occasions."""

import pytest

from emotion_perception.ros.rate_limit import RateLimit


@pytest.mark.parametrize(
    ('occasions_hz', 'rate_hz', 'made'),
    [(30, 10, 50), (30, 7, 35), (30, 29, 145), (15, 10, 50), (8, 10, 40), (30, 1e9, 150)],
)
def test_average_rate(occasions_hz, rate_hz, made):
    now = 0.0
    limit = RateLimit(rate_hz, lambda: now)
    count = 0
    for occasion in range(5 * occasions_hz):
        now = occasion / occasions_hz
        if limit.due:
            limit.count()
            count += 1
    assert count == pytest.approx(made, abs=1)


def test_no_burst_after_a_pause():
    now = 0.0
    limit = RateLimit(10.0, lambda: now)
    limit.count()
    assert not limit.due
    now = 60.0
    assert limit.due
    limit.count()
    now = 60.05
    assert not limit.due
    now = 60.1
    assert limit.due
