"""The lifecycle driven at random and shut down: what reliability/faults/transitions.py counts, in short."""

from stress.faults import transitions


def test_a_thousand_transitions(capsys):
    count = transitions.drive(1000, seed=6)
    print(count)
    assert count.tried == 1000
    # one of four is impossible; each of the others succeeds
    assert 700 < count.notes['accepted'] < 800
    assert count.lost == dict.fromkeys(count.lost, 0), count
    assert count.lost.keys() >= {'publishers', 'images', 'handles left open', 'threads left over'}
    assert count.notes['memory_growth_mb'] < 8


def test_shutdown_from_each_state():
    count = transitions.shut_down(seed=6)
    assert count.tried == 21
    assert count.lost == dict.fromkeys(count.lost, 0), count
