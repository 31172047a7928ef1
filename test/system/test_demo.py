"""What `make demo` runs: camera and node in processes of their own, and what a person sees of it."""

import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from emotion_perception.imaging.sources import portrait_path

LINE = re.compile(r'face (\d+) +(\w+) +([\d.]+)% #* +([\d.]+) ms')
SUMMARY = re.compile(
    r'(\d+) frames seen, (\d+) skipped, (\d+) faces, ([\d.]+) Hz, '
    r'latency from camera to /emotion p50 ([\d.]+) ms, p99 ([\d.]+) ms'
)


def demo(folder, *arguments):
    """Run the demonstration and return the finished process."""
    command = [
        sys.executable,
        '-m',
        'emotion_perception.ros.demo',
        '--out',
        str(folder),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope='module')
def portrait_run(tmp_path_factory):
    """Run it on the NASA portrait, again where the machine was too busy for 30 Hz; three times at most."""
    for _ in range(3):
        folder = tmp_path_factory.mktemp('demo')
        done = demo(folder, '--seconds', '4')
        found = SUMMARY.search(done.stdout)
        if found and float(found.group(4)) > 28:
            break
    return done, folder


def test_happiness_is_the_stable_label_of_the_portrait(portrait_run):
    done, _ = portrait_run
    assert done.returncode == 0, done.stderr
    seen = LINE.findall(done.stdout)
    assert len(seen) > 30
    assert {label for _, label, _, _ in seen} == {'happiness'}
    assert {face for face, _, _, _ in seen} == {'1'}
    assert min(float(confidence) for _, _, confidence, _ in seen) > 80


def test_ends_with_a_summary_that_adds_up(portrait_run):
    done, _ = portrait_run
    frames, skipped, faces, rate, p50, p99 = map(float, SUMMARY.search(done.stdout).groups())
    assert frames == faces
    assert frames >= 100
    assert skipped <= 2
    assert rate == pytest.approx(30, abs=2)
    assert 0 < p50 <= p99 < 500


def test_leaves_an_annotated_picture_where_it_says(portrait_run):
    done, folder = portrait_run
    path = folder / 'emotion.png'
    assert f'annotated image: {path}' in done.stdout
    picture = cv2.imread(str(path))
    assert picture.shape == (480, 640, 3)
    # the orange of happiness, drawn around the face
    assert (np.abs(picture.astype(int) - (40, 190, 250)).max(axis=-1) < 12).sum() > 500


def test_a_video_file_as_camera(tmp_path):
    clip = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*'MJPG'), 30, (512, 512))
    picture = cv2.imread(str(portrait_path()))
    for _ in range(30):
        writer.write(picture)
    writer.release()
    done = demo(tmp_path, '--camera', str(clip), '--seconds', '2')
    assert done.returncode == 0, done.stderr
    assert {label for _, label, _, _ in LINE.findall(done.stdout)} == {'happiness'}


def test_a_camera_that_is_not_there(tmp_path):
    done = demo(tmp_path, '--camera', 'nowhere.mp4')
    assert done.returncode == 1
    assert re.search(r"camera: there is no camera, video or image '.*/nowhere\.mp4'", done.stderr)
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'emotion.png').exists()


@pytest.mark.parametrize('delay_s', [1.5, 2.5, 4.0])
def test_ctrl_c_ends_it_quietly(tmp_path, delay_s):
    command = [
        sys.executable,
        '-m',
        'emotion_perception.ros.demo',
        '--out',
        str(tmp_path),
        '--seconds',
        '20',
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(delay_s)
    # a terminal sends it to the whole group
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=15)
    assert 'Traceback' not in error, error
    assert 'RuntimeError' not in error, error
    if SUMMARY.search(out):
        assert process.returncode == 0
