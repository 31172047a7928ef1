"""A run that was killed goes on where it was, and ends with the bytes of one that was not."""

import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception import cli
from emotion_perception.bag import journal
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.writing import NewBag
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.errors import BagError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, time_message
from emotion_perception.tracking import TrackingSettings

from .conftest import jpeg, stamped

JOURNAL = 'journal'


def contents(path):
    """Return name and content of each file of a recording."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def visit(small_portrait):
    """Return images in which a face moves, goes, comes back, and shows itself by a jump of the stamps."""
    empty = np.full_like(small_portrait, 90)
    images = []
    for n in range(30):
        shown = empty if 8 <= n < 12 else np.roll(small_portrait, 3 * n, axis=1)
        images.append(bgr_to_image(shown, stamped(n if n < 22 else n - 20)))
    images[5] = Image(encoding='x264', height=4, width=4, step=12, data=bytes(48))
    images[14] = bgr_to_image(cv2.resize(small_portrait, (200, 150)), stamped(14))
    images[16] = b'\0\1\0\0garbage'
    images[18] = bgr_to_image(small_portrait, Header(stamp=time_message(0)))
    return images


@pytest.fixture
def bag(write_bag, small_portrait):
    """Return a recording in which much happens."""
    return write_bag('visit', {'/eye': visit(small_portrait)})


def pipeline():
    """Return what `bag process` uses."""
    return Pipeline.default(
        detect_every=DETECT_EVERY, settings=TrackingSettings(smoothing_s=0.5, max_gap_s=1.0)
    )


class Counting:
    """Counts what the networks are asked."""

    def __init__(self, pipeline):
        """Listen to a pipeline."""
        self.asked = 0
        detector, classifier = pipeline.detector, pipeline.classifier
        for part, name in (
            (detector, 'detect'),
            (detector, 'detect_in_region'),
            (classifier, 'classify'),
        ):
            setattr(part, name, self._counted(getattr(part, name)))

    def _counted(self, ask):
        def counted(*arguments):
            self.asked += 1
            return ask(*arguments)

        return counted


def interrupted(monkeypatch, after, error=KeyboardInterrupt):
    """Let writing fail after so many messages."""
    written = []
    write = NewBag.write

    def fail(self, topic, stamp_ns, data):
        written.append(topic)
        if len(written) > after:
            raise error
        write(self, topic, stamp_ns, data)

    monkeypatch.setattr(NewBag, 'write', fail)


@pytest.mark.parametrize(
    ('storage', 'after', 'recalled'),
    [('mcap', 1, 1), ('mcap', 20, 8), ('sqlite3', 40, 16), ('mcap', 81, 30)],
)
def test_it_goes_on_and_gives_the_same_bytes(tmp_path, bag, monkeypatch, storage, after, recalled):
    once = process_bag(bag, tmp_path / 'once', pipeline(), storage=storage)
    assert (once.recalled, once.images, len(once.ids)) == (0, 30, 6)
    with monkeypatch.context() as patch:
        interrupted(patch, after)
        with pytest.raises(KeyboardInterrupt):
            process_bag(bag, tmp_path / 'twice', pipeline(), storage=storage)
    left = tmp_path / 'twice.partial'
    assert {path.name for path in left.iterdir()} == {'.unfinished', JOURNAL}
    second = pipeline()
    counting = Counting(second)
    again = process_bag(bag, tmp_path / 'twice', second, storage=storage)
    assert contents(tmp_path / 'twice') == contents(tmp_path / 'once')
    assert not left.exists()
    assert again.recalled == recalled
    assert (again.images, again.faces, again.ids, again.unusable, again.first_fault) == (
        once.images, once.faces, once.ids, once.unusable, once.first_fault
    )  # fmt: skip
    assert (counting.asked == 0) is (recalled == 30)


def test_interrupted_again_and_again(tmp_path, bag, monkeypatch):
    process_bag(bag, tmp_path / 'once', pipeline())
    for after in (10, 5, 30, 30, 60):
        with monkeypatch.context() as patch:
            interrupted(patch, after)
            with pytest.raises(KeyboardInterrupt):
                process_bag(bag, tmp_path / 'often', pipeline())
    assert process_bag(bag, tmp_path / 'often', pipeline()).recalled == 23
    assert contents(tmp_path / 'often') == contents(tmp_path / 'once')


def test_killed_in_a_process_of_its_own(tmp_path, write_bag, small_portrait):
    """SIGKILL at some moment, the same command again, at last the bytes of a run that was not killed."""
    bag = write_bag('long', {'/eye': visit(small_portrait) * 6})
    command = [sys.executable, '-m', 'emotion_perception.cli', 'bag', 'process', str(bag), '-o']
    left = tmp_path / 'killed.partial' / JOURNAL
    kills = 0
    for lines in (4, 90):
        process = subprocess.Popen([*command, str(tmp_path / 'killed')], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if left.exists() and left.read_bytes().count(b'\n') > lines:
                break
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait(10)
    assert kills
    done = subprocess.run(
        [*command, str(tmp_path / 'killed')], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stderr  # some images cannot be used
    assert int(done.stdout.split(' were read')[0].rsplit(' ', 1)[1]) > 60
    whole = subprocess.run([*command, str(tmp_path / 'whole')], capture_output=True, timeout=60)
    assert whole.returncode == 1
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['killed', 'long', 'whole']


def test_compressed_images_too(tmp_path, write_bag, small_portrait, monkeypatch):
    images = [jpeg(small_portrait, stamped(n)) for n in range(6)]
    images[2].data = images[2].data[:500]
    bag = write_bag('bag', {'/eye': images})
    once = process_bag(bag, tmp_path / 'once', pipeline())
    with monkeypatch.context() as patch:
        interrupted(patch, 12)
        with pytest.raises(KeyboardInterrupt):
            process_bag(bag, tmp_path / 'twice', pipeline())
    again = process_bag(bag, tmp_path / 'twice', pipeline())
    assert (again.recalled, again.unusable) == (5, once.unusable)
    assert contents(tmp_path / 'twice') == contents(tmp_path / 'once')


def test_what_the_command_says(capsys, tmp_path, bag, monkeypatch):
    command = ['bag', 'process', str(bag), '-o', str(tmp_path / 'out')]
    with monkeypatch.context() as patch:
        interrupted(patch, 20)
        assert cli.main(command) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f'stopped; {tmp_path / "out.partial"} keeps what was found, start the same command again to go on'
    )
    assert cli.main(command) == 1
    assert ' ids; 8 were read by the run before\n' in capsys.readouterr().out


@pytest.mark.parametrize('what', ['model', 'detector', 'tracking', 'identity', 'code', 'images'])
def test_something_else_is_not_gone_on_with(
    tmp_path, bag, write_bag, small_portrait, monkeypatch, what
):
    """Another recording, model or parameter: what is kept says nothing about it."""
    with monkeypatch.context() as patch:
        interrupted(patch, 40)
        with pytest.raises(KeyboardInterrupt):
            process_bag(bag, tmp_path / 'out', pipeline(), identity='a')
    second, options = pipeline(), {'identity': 'a'}
    if what == 'model':
        second = Pipeline.default(
            head='fer2013', detect_every=DETECT_EVERY,
            settings=TrackingSettings(smoothing_s=0.5, max_gap_s=1.0),
        )  # fmt: skip
    elif what == 'detector':
        second.detector.min_detection_score = 0.6
    elif what == 'tracking':
        second.settings = TrackingSettings(hysteresis=0.2)
    elif what == 'identity':
        options = {'identity': 'b'}
    elif what == 'code':
        monkeypatch.setattr(journal, 'code_digest', lambda: 'changed')
    else:
        images = visit(small_portrait)
        images[3] = bgr_to_image(np.zeros_like(small_portrait), stamped(3))
        bag = write_bag('other', {'/eye': images})
    assert process_bag(bag, tmp_path / 'out', second, **options).recalled == (
        3 if what == 'images' else 0
    )
    assert not (tmp_path / 'out.partial').exists()
    if what == 'images':
        process_bag(bag, tmp_path / 'once', pipeline(), **options)
        assert contents(tmp_path / 'out') == contents(tmp_path / 'once')


def test_a_damaged_journal_counts_as_far_as_it_is_whole(tmp_path, bag, monkeypatch):
    process_bag(bag, tmp_path / 'once', pipeline())
    with monkeypatch.context() as patch:
        interrupted(patch, 40)
        with pytest.raises(KeyboardInterrupt):
            process_bag(bag, tmp_path / 'out', pipeline())
    shutil.copytree(tmp_path / 'out.partial', tmp_path / 'kept')
    whole = (tmp_path / 'kept' / JOURNAL).read_bytes()
    half = len(whole) // 2
    for harmed in (
        whole[:-7],
        whole[:half],
        whole[:half] + b'x' + whole[half + 1 :],
        whole + b'\xff' * 100,
        whole + b'0' * 10**6 + b'\n',
        b'',
        whole.split(b'\n')[0] + b'\n' + b'[' * 10**5 + b'\n',
    ):
        shutil.rmtree(tmp_path / 'out.partial', ignore_errors=True)
        shutil.rmtree(tmp_path / 'out', ignore_errors=True)
        shutil.copytree(tmp_path / 'kept', tmp_path / 'out.partial')
        (tmp_path / 'out.partial' / JOURNAL).write_bytes(harmed)
        recalled = process_bag(bag, tmp_path / 'out', pipeline()).recalled
        assert recalled <= harmed.count(b'\n') - (recalled > 0)
        assert contents(tmp_path / 'out') == contents(tmp_path / 'once')


def test_a_full_disk_keeps_it(tmp_path, bag, monkeypatch):
    with monkeypatch.context() as patch:
        interrupted(patch, 20, OSError(28, 'No space left on device'))
        with pytest.raises(BagError, match='make room and start the same command again'):
            process_bag(bag, tmp_path / 'out', pipeline())
    assert process_bag(bag, tmp_path / 'out', pipeline()).recalled == 8


def test_two_runs_do_not_write_one_folder(tmp_path, bag, monkeypatch):
    def second(self, *_):
        with pytest.raises(BagError, match='another run is writing'):
            process_bag(bag, tmp_path / 'out', pipeline())
        assert (tmp_path / 'out.partial' / 'bag').exists()
        monkeypatch.setattr(NewBag, 'write', write)

    write = NewBag.write
    monkeypatch.setattr(NewBag, 'write', second)
    process_bag(bag, tmp_path / 'out', pipeline())
    assert (tmp_path / 'out').is_dir()
