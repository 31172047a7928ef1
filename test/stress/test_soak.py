"""A short soak: camera, node and listener in processes of their own, and people who come and go."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from std_msgs.msg import Header

from emotion_msgs.msg import EmotionArray
from stress.soak import command, run
from stress.soak.verdicts import record
from stress.soak.visits import CROWD, Programme
from stress.soak.watch import StrangerError, picture_of

ROOT = Path(__file__).parents[2]
ROUND_S = 8.0
ROUNDS = 2
MOST_MB = 15.0
"""More than the node's memory grows by while it is still filling its buffers; the long run tells the slope."""


@pytest.fixture(autouse=True)
def _here_only(monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')


def test_nothing_grows_while_people_come_and_go():
    """After a first round, with all acts in it, each thing is as it was; whoever left is forgotten."""
    program = Programme(frames=round(ROUNDS * ROUND_S * 30), round_s=ROUND_S)
    found = run.soak(program, every_s=0.5, shaken_s=ROUND_S / 2)
    if 'too busy' in found.ended and os.getloadavg()[0] > 2 * os.cpu_count():
        pytest.skip(f'other work keeps this machine busy: load {os.getloadavg()[0]:.1f}')
    assert found.ended == ''
    told = record(found, ROUND_S)
    print(json.dumps(told))
    assert {name: told['verdicts'][name] for name in ('threads', 'handles', 'endpoints', 'topics', 'ids')} == dict.fromkeys(('threads', 'handles', 'endpoints', 'topics', 'ids'), True)  # fmt: skip
    # the shared is the camera's too: as many images as a busy machine lets wait
    memory = told['memory']
    assert memory['own_mb']['most'] - memory['own_mb']['after_warm_up'] < MOST_MB
    assert memory['resident_mb']['most'] < 250
    # all that came was seen by the node, and every image accounted for
    assert told['visits'] == ROUNDS * 19
    assert 0 < told['processed'] <= told['sent']
    assert told['processed'] + told['skipped'] + told['lost'] >= told['sent']
    # ten at once stay for a second or two: even a machine that skips images sees most of them
    assert CROWD / 2 < told['faces_at_once'] <= CROWD
    # no one gets a hundred ids, nor do all get one
    assert ROUNDS * CROWD / 2 < told['ids'] < 10 * told['visits']
    assert told['new_ids_in_empty_room'] == told['faces_in_empty_room'] == 0
    assert told['followed_at_the_end'] == 0


def test_ctrl_c_leaves_what_was_measured(tmp_path):
    """The command ends soon, with record, samples and picture, and says that it is not finished."""
    command = [sys.executable, '-m', 'stress.soak', '--minutes', '5', '--every', '0.2', '--out', str(tmp_path)]  # fmt: skip
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    samples = tmp_path / 'records' / '.soak.csv.partial'
    deadline = time.monotonic() + 60
    try:
        while not (samples.exists() and len(samples.read_text().splitlines()) > 3):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, 'nothing was sampled'
            time.sleep(0.1)
        # as a terminal does: to the camera and the node as well
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 1, err
    assert '**Unfinished**: stopped by hand.' in out
    assert 'Traceback' not in err
    told = json.loads((tmp_path / 'records' / 'soak.json').read_text())
    assert told['finished'] is False
    assert told['ended'] == 'stopped by hand'
    with (tmp_path / 'records' / 'soak.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == told['samples'] >= 3
    assert float(rows[0]['resident_mb']) > 50
    assert cv2.imread(str(tmp_path / 'images' / 'soak.png')) is not None
    left = sorted(path.name for path in tmp_path.rglob('*') if path.is_file())
    assert left == ['soak.csv', 'soak.json', 'soak.png']


def test_a_camera_that_cannot_start_is_told(monkeypatch):
    monkeypatch.setattr(run, 'CAMERA', 'stress.soak.no_camera')
    with pytest.raises(run.SoakError, match='the camera does not start; it says: .*no_camera'):
        run.soak(Programme(frames=10), every_s=1)


def test_a_picture_of_another_camera_is_told():
    assert picture_of(EmotionArray(header=Header(frame_id='12'))) == 12
    with pytest.raises(StrangerError, match="another camera .* 'eye' was answered"):
        picture_of(EmotionArray(header=Header(frame_id='eye')))


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--minutes', '0'], '--minutes and --every must be above 0'),
        (['--media', '/nowhere'], 'there is no folder /nowhere'),
    ],
)
def test_wrong_options(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        command.main([*arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
