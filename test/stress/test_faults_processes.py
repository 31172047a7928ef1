"""Processes killed and hung: what reliability/faults/kills.py and silence.py count, in short."""

from stress.faults import kills, silence


def test_kill_9_of_camera_node_and_subscriber():
    count = kills.kill(3, seed=6)
    assert count.tried == len(count.recovered_s) == 3
    assert count.lost == dict.fromkeys(count.lost, 0), count
    assert count.lost.keys() >= {'recoveries', 'survivors that ended'}


def test_a_camera_that_hangs():
    count = silence.hang(2, seed=6)
    assert count.tried == len(count.recovered_s) == 2
    assert count.lost == dict.fromkeys(count.lost, 0), count
    # told after half a second of silence and one of diagnostics, whatever the machine adds
    assert 0.4 < count.notes['longest_until_told_s'] < 10
