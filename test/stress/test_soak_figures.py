"""The soak's program is the same for the same seed, and its arithmetic finds what grows and only that."""

import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from stress.soak.outcome import Outcome, Sample
from stress.soak.plot import plot
from stress.soak.scenes import Painter, find_heads
from stress.soak.slopes import slope_an_hour
from stress.soak.tables import summary, table
from stress.soak.verdicts import record
from stress.soak.visits import CROWD, Programme

pytest.importorskip('matplotlib')
pytest.importorskip('scipy')

SAMPLE = Sample(
    time_s=0.0, picture=0, resident_mb=170.0, anonymous_mb=70.0, shared_mb=36.0, file_mb=64.0,
    threads=20, handles=23, mappings=1100, endpoints=21, topics=8, cpu_share=0.2, sent=1, processed=1,
    skipped=0, faces=1, highest_id=1, latency_p50_ms=8.0, latency_p99_ms=15.0, latency_max_ms=16.0,
)  # fmt: skip
COUNTS = {
    'ids': 900, 'faces_at_once': 10, 'ids_that_came_back': 0, 'faces_in_empty_room': 0,
    'new_ids_in_empty_room': 0, 'looks_at_empty_room': 100, 'followed_in_empty_room': 0,
}  # fmt: skip
MINUTES = 35


def outcome(grow=lambda minute: {}, counts=None, followed=0, ended='', minutes=MINUTES):
    """Return a soak with a sample every five seconds; `grow` changes that of a minute."""
    program = Programme(frames=minutes * 1800)
    samples = []
    for step in range(1, minutes * 12 + 1):
        # a crowd takes some memory, for as long as it is there
        crowd = 2.0 * (step % 8 == 4)
        minute = step / 12
        one = replace(
            SAMPLE, time_s=step * 5.0, picture=step * 150, sent=step * 150 + 1,
            processed=step * 150 + 1, resident_mb=170 + crowd,
        )  # fmt: skip
        samples.append(replace(one, **grow(minute)))
    return Outcome(program, samples, COUNTS | (counts or {}), followed, ended)


# who comes and goes


def test_the_same_seed_is_the_same_programme():
    first, again, other = Programme(seed=3), Programme(seed=3), Programme(seed=4)
    steps = range(0, first.frames, 7)
    assert [first.places(k) for k in steps] == [again.places(k) for k in steps]
    assert [first.places(k) for k in steps] != [other.places(k) for k in steps]


def test_each_round_has_others():
    program = Programme(frames=2400)
    steps = range(0, 1200, 7)
    assert [program.places(k) for k in steps] != [program.places(k + 1200) for k in steps]


@pytest.mark.parametrize('round_s', [40.0, 10.0])
def test_every_round_has_a_crowd_the_dark_and_nobody(round_s):
    program = Programme(frames=round(3 * round_s * 30), round_s=round_s)
    for number in range(3):
        steps = range(number * program.round_frames, (number + 1) * program.round_frames)
        counts = [len(program.places(k)) for k in steps]
        assert max(counts) == CROWD
        assert counts[0] == counts[-1] == 0
        assert {0, 1, 2, 3} <= set(counts)
        assert min(program.light(k) for k in steps) == 0
        assert any(not program.light(k) and program.places(k) for k in steps)
    assert program.visits(program.round_frames) == 19
    assert program.visits(10**9) == 3 * 19


def test_nobody_comes_after_the_end():
    program = Programme(frames=500)
    assert program.places(499)
    assert program.places(500) == program.places(10**6) == []
    assert program.is_empty(600)
    assert program.is_empty(600, before_s=3.0)
    assert not program.is_empty(600, before_s=4.0)
    assert not program.is_empty(400, after_s=3.0)
    # who was there before the first picture cannot be told
    assert not program.is_empty(5, before_s=1.0)


def test_walkers_come_from_outside_and_the_others_are_there_at_once():
    program = Programme()
    width = 640 / 480
    known = set()
    for index in range(program.frames):
        for place in program.places(index):
            if place.person not in known:
                known.add(place.person)
                assert (0 < place.x < width) == (index > 33.5 * 30), index
    assert len(known) == 19


def test_the_detector_finds_who_stands_there(detector):
    program = Programme()
    heads = find_heads(None, detector)
    assert [head.shape for head in heads] == [(210, 210, 3)] * 2
    painter = Painter(program, heads)
    for second, people in ((1.0, 0), (5.5, 1), (20.5, CROWD), (33.5, 0)):
        picture = painter.picture(round(second * 30))
        assert picture.shape == (480, 640, 3)
        assert picture.dtype == np.uint8
        assert len(detector.detect(picture)) == people
    assert painter.picture(29 * 30).max() == 0
    np.testing.assert_array_equal(painter.picture(600), Painter(program, heads).picture(600))


def test_heads_of_a_folder(tmp_path, detector, portrait):
    cv2.imwrite(str(tmp_path / 'someone.png'), portrait)
    cv2.imwrite(str(tmp_path / 'nobody.png'), np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / 'readme.txt').write_text('no picture')
    heads = find_heads(tmp_path, detector)
    assert len(heads) == 3
    assert heads[2].shape[0] == heads[2].shape[1] > 100
    assert len(detector.detect(cv2.copyMakeBorder(heads[2], 90, 90, 90, 90, 0))) == 1


# what grows


def test_a_slope_is_found_through_noise_and_steps():
    rng = np.random.default_rng(1)
    times = np.arange(0, 3600, 5.0)
    values = 170 + 3.0 * times / 3600 + rng.normal(0, 0.05, len(times))
    values[100:108] += 20
    found = slope_an_hour(times, values, (times // 40).astype(int))
    assert found['slope'] == pytest.approx(3.0, abs=0.1)
    assert found['low'] < 3.0 < found['high']
    assert found['high'] - found['low'] < 0.2
    assert found['start'] == pytest.approx(170, abs=0.1)
    assert found['blocks'] == 90


def test_what_comes_and_goes_in_a_round_is_no_slope():
    times = np.arange(0, 600, 5.0)
    found = slope_an_hour(times, 170 + (times % 40) / 40, (times // 40).astype(int))
    assert (found['slope'], found['low'], found['high']) == (0, 0, 0)


def test_two_blocks_have_no_slope():
    found = slope_an_hour([0, 1, 2, 3], [1, 2, 3, 4], [0, 0, 1, 1])
    assert found == {'slope': None, 'low': None, 'high': None, 'start': None, 'blocks': 2}
    assert slope_an_hour([], [], [])['blocks'] == 0


def test_a_node_that_does_not_grow():
    found = record(outcome(), 300)
    assert all(found['verdicts'].values()), found['verdicts']
    assert found['memory']['resident_mb']['mb_an_hour']['slope'] == 0
    assert found['memory']['resident_mb']['most'] == 172
    assert found['seconds'] == MINUTES * 60
    assert found['visits'] == Programme(frames=MINUTES * 1800).visits(10**9)


@pytest.mark.parametrize(
    ('mb_an_hour', 'holds'), [(0.8, True), (1.2, False), (-3.0, True), (20.0, False)]
)
def test_memory_that_grows(mb_an_hour, holds):
    found = record(outcome(lambda minute: {'resident_mb': 170 + mb_an_hour * minute / 60}), 300)
    slope = found['memory']['resident_mb']['mb_an_hour']
    assert slope['slope'] == pytest.approx(mb_an_hour, abs=0.01)
    assert found['verdicts']['resident_mb'] is holds


def test_growth_while_it_warms_up_does_not_count():
    warming = outcome(lambda minute: {'resident_mb': 170 + 4 * min(minute, 4.9)})
    assert record(warming, 300)['verdicts']['resident_mb'] is True
    assert record(warming, 0)['memory']['resident_mb']['after_warm_up'] < 172


def test_a_slope_that_is_not_sure_is_no_verdict():
    rng = np.random.default_rng(0)
    shaking = outcome(lambda minute: {'resident_mb': 170 + minute / 60 + rng.normal(0, 3)})
    found = record(shaking, 300)
    slope = found['memory']['resident_mb']['mb_an_hour']
    assert slope['low'] < 1 <= slope['high']
    assert found['verdicts']['resident_mb'] is None
    assert 'cannot be told' in table(found)


@pytest.mark.parametrize('name', ['threads', 'handles', 'endpoints', 'topics'])
def test_one_more_at_the_end_is_growth(name):
    grown = record(outcome(lambda minute: {name: 21 + (minute > 33)}), 300)
    assert grown['verdicts'][name] is False
    assert all(holds for other, holds in grown['verdicts'].items() if other != name)
    # one that was there in between, or went, is none
    assert record(outcome(lambda minute: {name: 21 + (17 < minute < 18)}), 300)['verdicts'][name]
    assert record(outcome(lambda minute: {name: 21 - (minute > 33)}), 300)['verdicts'][name]


@pytest.mark.parametrize(
    'count', ['new_ids_in_empty_room', 'ids_that_came_back', 'followed_in_empty_room']
)
def test_ids_without_faces(count):
    assert record(outcome(counts={count: 1}), 300)['verdicts']['ids'] is False
    assert record(outcome(followed=1), 300)['verdicts']['ids'] is False


def test_an_unfinished_soak_says_so():
    found = record(outcome(minutes=6, followed=-1, ended='stopped by hand'), 300)
    assert found['verdicts']['finished'] is False
    assert found['verdicts']['ids'] is None
    assert found['verdicts']['resident_mb'] is None
    assert '**Unfinished**: stopped by hand.' in summary(found)
    assert 'too short for a slope' in table(found)
    nothing = record(outcome(minutes=0, followed=-1, ended='stopped by hand'), 300)
    assert summary(nothing) == 'Nothing was measured. **Unfinished**: stopped by hand.'
    json.dumps([found, nothing])


def test_words_and_picture():
    found = json.loads(json.dumps(record(outcome(), 300)))
    assert summary(found).startswith(
        '35.0 minutes at 30 Hz, the first 5.0 of them to warm up: 1002 visits of '
    )
    told = table(found)
    assert '| resident memory after warm-up | below 1 MB an hour | 170.0 to 170.0 MB; +0.00 (+0.00 to +0.00) MB an hour over 46 rounds | yes |' in told  # fmt: skip
    assert '| threads | no growth | 20 at first, 20 at last, 20 at most | yes |' in told
    assert '0 faces still followed in 101 looks at an empty room | yes |' in told
    for what in (outcome(), outcome(minutes=1, followed=-1, ended='stopped by hand')):
        drawn = io.BytesIO()
        plot(what, record(what, 300), drawn)
        assert cv2.imdecode(np.frombuffer(drawn.getvalue(), np.uint8), 1).shape == (792, 1210, 3)
