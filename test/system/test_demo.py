# SPDX-License-Identifier: Apache-2.0
"""The command of `make demo`: camera and node in processes of their own, and its output."""

import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from support.films import write_avi

COMMAND = [
    sys.executable,
    '-c',
    'import sys; from emotion_perception.ros import programs; sys.exit(programs.emotion_demo())',
]
LINE = re.compile(r'face (\d+) +(\w+) +([\d.]+)% #* +([\d.]+) ms')
SUMMARY = re.compile(
    r'(\d+) frames seen, (\d+) skipped, (\d+) faces, ([\d.]+) Hz, '
    r'latency from camera to /emotion p50 ([\d.]+) ms, p99 ([\d.]+) ms'
)


def run_demo(folder, *arguments):
    """Run the demonstration and return the finished process."""
    command = [*COMMAND, '--out', str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_portrait(tmp_path):
    done = run_demo(tmp_path, '--seconds', '8')
    assert done.returncode == 0, done.stderr
    lines = LINE.findall(done.stdout)
    assert {(face, label) for face, label, _, _ in lines} == {('1', 'happiness')}
    assert min(float(confidence) for _, _, confidence, _ in lines) > 80
    events = re.findall(r'^person 1 (appears|shows \w+|looks \w+|leaves)', done.stdout, re.M)
    assert events == ['appears', 'looks here', 'shows happiness', 'leaves']
    frames, _, faces, rate_hz, p50, p99 = map(float, SUMMARY.search(done.stdout).groups())
    assert frames == faces
    assert frames > 30
    assert rate_hz > 0
    assert 0 < p50 <= p99
    assert len(re.findall(r'^live page: http://127\.0\.0\.1:\d+/$', done.stdout, re.M)) == 1
    path = tmp_path / 'emotion.png'
    assert f'annotated image: {path}' in done.stdout
    image = cv2.imread(str(path))
    assert image.shape == (480, 640, 3)
    # the orange of happiness, drawn around the face
    assert (np.abs(image.astype(int) - (40, 190, 250)).max(axis=-1) < 12).sum() > 500


def test_video_file(tmp_path, portrait):
    clip = write_avi(tmp_path / 'clip.avi', [portrait] * 30, 30)
    done = run_demo(tmp_path, '--camera', str(clip), '--seconds', '2')
    assert done.returncode == 0, done.stderr
    assert {label for _, label, _, _ in LINE.findall(done.stdout)} == {'happiness'}


@pytest.mark.parametrize(
    ('camera', 'error'),
    [
        ('nowhere.mp4', r"there is no camera, video or \w+ '.*/nowhere\.mp4'"),
        ('rtsp://127.0.0.1:9/x', r'rtsp://127\.0\.0\.1:9/x cannot be opened'),
    ],
)
def test_missing_camera(tmp_path, camera, error):
    done = run_demo(tmp_path, '--camera', camera)
    assert done.returncode == 1
    assert re.search(error, done.stderr)
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'emotion.png').exists()


def test_no_time_at_all(tmp_path):
    done = run_demo(tmp_path, '--seconds', '0')
    assert (done.returncode, 'argument --seconds' in done.stderr) == (2, True)


@pytest.mark.parametrize('delay_s', [0.3, 0.6, 1.5, 3.0])
def test_ctrl_c(tmp_path, delay_s):
    command = [*COMMAND, '--out', str(tmp_path), '--seconds', '20']
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(delay_s)
    # a terminal sends it to the whole group
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=15)
    assert 'Traceback' not in error, error
    assert 'RuntimeError' not in error, error
    if SUMMARY.search(output):
        assert process.returncode == 0
