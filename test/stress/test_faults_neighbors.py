"""Many subscribers, deaf ones and a crowd: what reliability/faults/listeners.py and crowd.py count, in short."""

from stress.faults import crowd, listeners


def test_two_hundred_subscribers():
    count = listeners.many(200, 10)
    assert count.tried == 2000
    assert count.lost == dict.fromkeys(count.lost, 0), count


def test_subscribers_that_never_read():
    count = listeners.deaf(15)
    assert count.tried == 45
    assert count.lost == dict.fromkeys(count.lost, 0), count
    assert count.notes['memory_growth_mb'] < 10


def test_a_crowded_domain():
    count = crowd.join(12, 3)
    assert count.tried == 24
    assert count.lost == dict.fromkeys(count.lost, 0), count
