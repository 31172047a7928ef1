"""A machine that is not whole: what reliability/faults/disk.py counts, but for the homes of test_privacy.py."""

from reliability.faults import disk

NAMES = [name for name in disk.LACKS if 'HOME' not in name]


def test_disks_consoles_and_shared_memory():
    count = disk.miss(names=NAMES)
    print(count)
    # without the right to mount disks some are left out, and named
    assert count.tried == len(NAMES) - sum(name in count.skipped for name in NAMES) >= 8
    assert count.lost == dict.fromkeys(count.lost, 0), count
