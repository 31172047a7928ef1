"""Parameters, models and clocks: what reliability/faults/settings.py, models.py and clocks.py count, in short."""

from stress.faults import clocks, models, settings


def test_parameters_changed_at_random():
    count = settings.change(300, seed=6)
    assert count.tried > 300
    assert count.notes['accepted'] > 50
    assert count.notes['images_answered'] > 10
    assert count.lost == dict.fromkeys(count.lost, 0), count


def test_model_files_replaced():
    count = models.replace(1, seed=6)
    assert count.tried == len(models.DAMAGES) >= 30
    assert {'garbage', 'a network of another shape', 'labels in another order'} <= set(
        models.DAMAGES
    )
    assert count.lost == dict.fromkeys(count.lost, 0), count


def test_stamps_that_jump():
    count = clocks.stamps(150, seed=6)
    assert count.tried == 150
    assert count.notes['jumps_back'] > 20
    assert count.lost == dict.fromkeys(count.lost, 0), count


def test_a_simulated_clock_that_jumps():
    count = clocks.simulated(30, seed=6)
    assert count.tried == 30
    assert count.lost == dict.fromkeys(count.lost, 0), count
