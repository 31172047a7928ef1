# SPDX-License-Identifier: Apache-2.0
"""`bag process` with many recordings: the same bytes as alone, and what ends only one of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from emotion_perception import cli
from emotion_perception.bag import batch
from emotion_perception.bag.batch import INDEX, Job, ProcessingOptions, find_recordings
from emotion_perception.bag.message_types import RAW
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.errors import BagError
from emotion_perception.files import whole_output
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import file_bytes, stamped

COMMAND = [sys.executable, '-m', 'emotion_perception.cli', 'bag', 'process']


@pytest.fixture
def alone(tmp_path):
    """Return a function that processes each recording by itself and returns the files' bytes."""

    def process(archive):
        for source in sorted(archive.glob('monday/*')):
            assert (
                cli.main(['bag', 'process', str(source), '-o', f'{tmp_path}/one/{source.name}'])
                == 0
            )
        return all_bytes(tmp_path / 'one')

    return process


def all_bytes(folder):
    """Return the files of each result in a folder."""
    return {path.name: file_bytes(path) for path in sorted(folder.iterdir()) if path.is_dir()}


def has_begun(partial, process):
    """Wait until a process writes messages into a result."""
    data = partial / 'bag' / 'bag.mcap'
    while not (data.exists() and data.stat().st_size) and process.poll() is None:
        time.sleep(0.002)
    assert process.poll() is None


def test_the_same_bytes_as_alone(run, tmp_path, archive, alone):
    folder = archive(first=4, second=7, third=2)
    out = tmp_path / 'out'
    code, printed, errors = run('process', folder, '-o', out, '--processes', 2)
    assert (code, errors) == (0, [])
    *lines, last = printed.splitlines()
    assert sorted(lines) == [
        f'{out}/monday/first: 4 images of /eye, 4 faces with 1 ids',
        f'{out}/monday/second: 7 images of /eye, 7 faces with 1 ids',
        f'{out}/monday/third: 2 images of /eye, 2 faces with 1 ids',
    ]
    assert last == f'{out}: 3 recordings processed, 0 were processed before, 0 failed'
    assert all_bytes(out / 'monday') == alone(folder)
    assert sorted(path.name for path in out.iterdir()) == ['monday', INDEX]


def test_options_reach_every_process(run, tmp_path, archive):
    folder = archive(first=2, second=2)
    options = ['--only-new', '--storage', 'sqlite3', '--namespace', 'a', '--no-head-pose']
    single, *_ = run('process', folder / 'monday/second', '-o', tmp_path / 'one', *options)
    assert single == 0
    assert run('process', folder, '-o', tmp_path / 'out', *options)[0] == 0
    assert file_bytes(tmp_path / 'out/monday/second') == file_bytes(tmp_path / 'one')
    assert set(file_bytes(tmp_path / 'one')) == {'metadata.yaml', 'bag.db3'}


def test_a_failing_recording_is_named_and_the_others_go_on(
    run, tmp_path, archive, write_bag, small_portrait
):
    folder = archive(first=2)
    images = [bgr_to_image(small_portrait, stamped(0)), b'\0\1\0\0garbage']
    write_bag('archive/odd', {'/eye': images}, {'/eye': RAW})
    (folder / 'empty.mcap').mkdir()
    (folder / 'monday/bad').mkdir()
    (folder / 'monday/bad/bag.mcap').write_bytes(b'no recording')
    code, printed, errors = run('process', folder, '-o', tmp_path / 'out')
    assert code == 1
    failed, odd = sorted(errors)
    assert failed.startswith(f'monday/bad failed: {folder}/monday/bad is no recording, or damaged')
    assert odd.startswith('odd: 1 of 2 images failed: 1 message damaged; the first: ')
    assert printed.endswith('out: 2 recordings processed, 0 were processed before, 1 failed\n')
    found = sorted(path.name for path in (tmp_path / 'out').rglob('*') if path.is_dir())
    assert found == ['first', 'monday', 'odd']
    code, printed, errors = run(
        'process', folder / 'monday/bad', folder / 'monday/bad', '-o', tmp_path / 'x'
    )
    assert (code, len(errors)) == (2, 1)
    assert printed == f'{tmp_path}/x: 0 recordings processed, 0 were processed before, 1 failed\n'


def test_what_is_finished_is_kept(run, tmp_path, archive, write_bag, small_portrait):
    folder, out = archive(first=2), tmp_path / 'out'
    assert run('process', folder, '-o', out)[0] == 0
    before = (out / 'monday/first/bag.mcap').stat().st_mtime_ns
    folder = archive(second=2)
    code, printed, _ = run('process', folder, '-o', out)
    assert code == 0
    assert printed.endswith(f'{out}: 1 recordings processed, 1 were processed before, 0 failed\n')
    assert (out / 'monday/first/bag.mcap').stat().st_mtime_ns == before
    assert list(json.loads((out / INDEX).read_text())['recordings']) == [
        'monday/first',
        'monday/second',
    ]
    for options in (['--only-new'], ['--min-detection-score', 0.6], ['--head', 'fer2013']):
        code, _, (error,) = run('process', folder, '-o', out, *options)
        assert code == 2
        assert f'{out} holds results of other options or another model; choose another' in error
    shutil.rmtree(folder / 'monday/second')
    archive(second=3, third=1)
    (out / 'monday/third').mkdir()
    for name in ('second', 'third'):
        code, _, (error,) = run('process', folder, '-o', out)
        assert code == 2
        assert f'{out}/monday/{name} exists already and is not the result of {folder}' in error
        shutil.rmtree(out / 'monday' / name)
    (out / INDEX).write_text('[')
    assert f'{out}/{INDEX} is damaged' in run('process', folder, '-o', out)[2][0]


def test_recordings_are_found_at_any_depth(tmp_path, image_bag, monkeypatch):
    for name in ('a/b/c', 'a/d', 'e', 'f.partial/bag'):
        image_bag(f'archive/{name}')
    folder = tmp_path / 'archive'
    (folder / 'empty').mkdir()
    (folder / 'link').symlink_to(image_bag('elsewhere'))
    assert find_recordings([folder]) == {
        name: folder / name for name in ('a/b/c', 'a/d', 'e', 'link')
    }
    assert list(find_recordings([folder / 'e', folder])) == ['a/b/c', 'a/d', 'e', 'link']
    assert list(find_recordings([folder / 'a/b/c/bag.mcap', folder / 'e'])) == ['bag', 'e']
    assert find_recordings([folder / 'e/metadata.yaml']) == {'e': folder / 'e'}
    monkeypatch.chdir(folder / 'a')
    assert list(find_recordings([tmp_path.joinpath('archive', 'a')])) == ['b/c', 'd']


def test_places_that_do_not_fit_are_refused(run, tmp_path, image_bag):
    folder = image_bag('archive/a/b').parents[1]
    image_bag('other/b'), image_bag('third/b/c')
    (tmp_path / 'none').mkdir()
    out = tmp_path / 'out'
    for sources, place, message in (
        (['none', 'archive'], out, 'none is no recording: it has no .mcap or .db3 file, nor has'),
        (['none'], out, 'none is no recording: it has no .mcap or .db3 file, nor has a folder'),
        (['archive', 'gone'], out, f'there is no recording {tmp_path}/gone'),
        (['archive/a', 'other'], out, f'{folder}/a/b and {tmp_path}/other/b have one name'),
        (['other', 'third'], out, f'the result of {tmp_path}/third/b/c would lie in that of'),
        (['archive'], folder / 'out', f'{folder}/out lies in the input folder {folder}'),
        (['archive'], folder, f'{folder}/a/b is an input; choose another place'),
        (['archive/a', 'archive'], folder, f'{folder}/b lies in the input folder {folder}'),
    ):
        paths = [tmp_path / source for source in sources]
        code, _, (error,) = run('process', *paths, '-o', place)
        assert code == 2
        assert message in error
        assert not out.exists()


def test_a_killed_process_ends_only_its_recording(run, tmp_path, archive, alone):
    folder, out = archive(first=200, second=3), tmp_path / 'out'
    process = subprocess.Popen(
        [*COMMAND, folder, '-o', out, '--processes', '1'], stderr=subprocess.PIPE, text=True
    )
    has_begun(out / 'monday/first.partial', process)
    children = psutil.Process(process.pid).children()
    (worker,) = [one for one in children if 'spawn_main' in ' '.join(one.cmdline())]
    worker.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == (
        'monday/first failed: its process ended with exit code -9; too little memory?\n'
    )
    assert (out / 'monday/second').is_dir()
    assert run('process', folder, '-o', out)[0] == 0
    assert all_bytes(out / 'monday') == alone(folder)


def test_ctrl_c_leaves_only_finished_results(run, tmp_path, archive):
    folder, out = archive(a=1, b=200, c=200), tmp_path / 'out'
    process = subprocess.Popen(
        [*COMMAND, folder, '-o', out, '--processes', '1'],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    has_begun(out / 'monday/b.partial', process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == (
        'stopped; 1 of 3 recordings are finished; start the same command again for the others\n'
    )
    assert [path.name for path in (out / 'monday').iterdir()] == ['a']


def test_a_result_that_another_process_is_writing_is_waited_for(
    tmp_path, archive, monkeypatch, classifier
):
    """As after a network partition: the first worker goes on although its work was given away."""
    folder = archive(first=1)
    arguments = {'tracking': True, 'detect_every': DETECT_EVERY}
    options = ProcessingOptions(arguments, classifier.metadata.sha256)
    job = Job('first', folder / 'monday/first', tmp_path / 'out', options)
    waits, outcomes = threading.Event(), []
    monkeypatch.setattr(batch.time, 'sleep', lambda _: waits.set())
    thread = threading.Thread(target=lambda: outcomes.append(batch.process_recording(job)))
    with whole_output(job.out, 'bag') as partial:
        thread.start()
        assert waits.wait(60)
        partial.mkdir()
    thread.join(60)
    assert outcomes == [batch.Outcome()]
    assert list(job.out.iterdir()) == []


def test_a_worker_with_another_model_is_refused(tmp_path, archive):
    folder = archive(first=1)
    options = ProcessingOptions({}, 'another')
    job = Job('first', folder / 'monday/first', tmp_path / 'out', options)
    outcome = batch.process_recording(job)
    assert outcome.failure == 'the model is not the same here; install the same version everywhere'
    assert not job.out.exists()


def test_a_fault_of_the_program_is_that_of_one_recording(tmp_path, archive, monkeypatch):
    monkeypatch.setattr(batch, 'process_bag', lambda *_, **__: 1 / 0)
    sha256 = batch.Pipeline.default().classifier.metadata.sha256
    job = Job('a', archive(a=1) / 'monday/a', tmp_path / 'out', ProcessingOptions({}, sha256))
    assert batch.process_recording(job).failure == 'ZeroDivisionError: division by zero'


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises((BagError, OSError), match='Permission denied'):
        find_recordings([tmp_path])
