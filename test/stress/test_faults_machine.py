"""A machine that is not whole: the worst of what reliability/faults/disk.py counts; the homes are in test_privacy.py."""

from stress.faults import disk

NAMES = [
    'the disk of the logs is full',
    'the disk of the logs is full after a while',
    'no file may grow after a while',
    'the disks of logs and output are full',
    'no output',
    'nobody reads the output any more',
    'the working folder is gone',
    'no shared memory but 64 KB',
]


def test_disks_consoles_and_shared_memory():
    count = disk.miss(names=NAMES)
    print(count)
    # without the right to mount disks some are left out, and named
    mounting = sum(disk.LACKS[name].mounts for name in NAMES)
    assert count.tried in (len(NAMES), len(NAMES) - mounting)
    assert bool(count.skipped) == (count.tried < len(NAMES))
    assert count.lost == dict.fromkeys(count.lost, 0), count
