# SPDX-License-Identifier: Apache-2.0
"""`bag process --scheduler`: a Dask cluster of real processes, of which one is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from emotion_perception.ros.conversions import bgr_to_image

from .conftest import file_bytes, stamped

distributed = pytest.importorskip('distributed')
from emotion_perception.bag import cluster  # noqa: E402

COMMAND = [sys.executable, '-m', 'emotion_perception.cli', 'bag', 'process']


@pytest.fixture
def start():
    """Return a function that starts a cluster of so many workers."""
    started = []

    def start_cluster(workers):
        started.append(
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        )
        return started[-1]

    yield start_cluster
    for one in started:
        one.close()


def wait_for_results(out, process):
    """Wait until a worker writes into a result."""
    while not list(out.glob('*.partial/bag/bag.mcap')) and process.poll() is None:
        time.sleep(0.002)
    assert process.poll() is None


@pytest.mark.parametrize(
    ('address', 'message'),
    [
        ('tcp://127.0.0.1:1', 'Timed out trying to connect to tcp://127.0.0.1:1'),
        ('nowhere', "missing port number in address 'nowhere'"),
        ('x://y', "unknown address scheme 'x'"),
    ],
)
def test_no_scheduler(run, tmp_path, archive, monkeypatch, address, message):
    monkeypatch.setattr(cluster, 'CONNECT_TIMEOUT_S', 0.5)
    command = ['process', archive(v0=1, v1=1), '-o', tmp_path / 'out', '--scheduler', address]
    code, printed, (error,) = run(*command)
    assert (code, printed) == (2, '')
    assert f"no Dask scheduler answers at '{address}': {message}" in error
    assert error.endswith('; start one with `dask scheduler`')
    assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(run, tmp_path, archive, start):
    folder = archive(v0=60, v1=80, v2=5, v3=100) / 'monday'
    for name in ('v0', 'v1', 'v2', 'v3'):
        assert run('process', folder / name, '-o', tmp_path / 'alone' / name)[0] == 0
    (folder / 'damaged').mkdir()
    (folder / 'damaged/bag.mcap').touch()
    table = tmp_path / 'local.parquet'
    assert run('process', folder, '-o', tmp_path / 'local', '--table', table)[0] == 1

    scheduler, out = start(2).scheduler_address, tmp_path / 'cluster'
    options = ['--scheduler', scheduler, '--table', tmp_path / 'cluster.parquet']
    process = subprocess.Popen(
        [*COMMAND, folder, '-o', out, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with distributed.Client(scheduler, set_as_default=False) as client:
        wait_for_results(out, process)
        pids = client.run(os.getpid)
        assert len(pids) == 2
        working = {address: keys for address, keys in client.processing().items() if keys}
        lost = next(address for address in working if address in pids)
        os.kill(pids[lost], signal.SIGKILL)
        begun_again = [key.split(' ')[0] for key in working[lost]]
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith(f'damaged failed: {folder}/damaged is no recording, or damaged: ')
    assert errors.count('\n') == 1
    # an outcome that was lost with its worker is that of a recording that was processed before
    counts = re.search(r': (\d) recordings processed, (\d) were processed before, 1 f', printed)
    assert int(counts[1]) + int(counts[2]) == 4
    assert begun_again
    for name in ('v0', 'v1', 'v2', 'v3'):
        expected = file_bytes(tmp_path / 'alone' / name)
        assert file_bytes(out / name) == expected
        assert file_bytes(tmp_path / 'local' / name) == expected
    assert sorted(path.name for path in out.iterdir()) == [
        'recordings.json', 'v0', 'v1', 'v2', 'v3',
    ]  # fmt: skip
    assert (tmp_path / 'cluster.parquet').read_bytes() == table.read_bytes()


@pytest.mark.slow
def test_workers_that_cannot_give_the_same_bytes(run, tmp_path, archive, start, monkeypatch):
    scheduler = start(1).scheduler_address
    command = ['process', archive(v0=1, v1=1), '-o', tmp_path / 'out', '--scheduler', scheduler]
    opencv = cluster.software()['opencv']
    monkeypatch.setattr(cluster.cv2, '__version__', '9.9')
    code, _, (error,) = run(*command)
    assert code == 2
    assert f'has opencv {opencv} in place of 9.9; install the same versions on' in error
    monkeypatch.undo()
    # -I ignores PYTHONPATH, by which the tests find the package
    alien = subprocess.Popen(
        [sys.executable, '-I', '-m', 'distributed.cli.dask_worker', scheduler, '--no-dashboard'],
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with distributed.Client(scheduler, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        code, _, (error,) = run(*command)
        assert code == 2
        assert 'cannot run emotion_perception: ' in error
        assert "No module named 'emotion_perception'" in error
        assert not (tmp_path / 'out').exists()
    finally:
        alien.terminate()
        alien.wait(30)


@pytest.mark.slow
def test_one_recording_and_workers_that_come_later(tmp_path, archive, start):
    source, started = archive(v0=3) / 'monday/v0', start(0)
    command = [*COMMAND, source, '-o', tmp_path / 'out', '--scheduler', started.scheduler_address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith(
        f'note: {started.scheduler_address} has no workers yet; start some with `dask worker tcp:'
    )
    started.scale(1)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, '')
    assert printed.startswith(f'{tmp_path}/out: 3 images of /eye, 3 faces with 1 ids\n')
    assert sorted(file_bytes(tmp_path / 'out')) == ['bag.mcap', 'metadata.yaml']
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 2
    assert f'{tmp_path}/out exists already' in again.stderr


@pytest.mark.slow
def test_after_ctrl_c_the_next_run_goes_on(run, tmp_path, archive, start):
    folder, out = archive(v0=150, v1=150) / 'monday', tmp_path / 'out'
    options = ['-o', out, '--scheduler', start(1).scheduler_address]
    process = subprocess.Popen([*COMMAND, folder, *options], stderr=subprocess.PIPE, text=True)
    wait_for_results(out, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == (
        'stopped; 0 of 2 recordings are finished; start the same command again for the others\n'
    )
    # the worker finishes what it had begun, which is waited for
    assert run('process', folder, *options)[0] == 0
    for name in ('v0', 'v1'):
        assert run('process', folder / name, '-o', tmp_path / 'alone' / name)[0] == 0
        assert file_bytes(out / name) == file_bytes(tmp_path / 'alone' / name)


@pytest.mark.slow
def test_a_scheduler_without_the_package_that_is_lost(
    run, tmp_path, archive, write_bag, small_portrait
):
    where, out = tmp_path / 'address.json', tmp_path / 'out'
    folder = archive(v0=300, v1=300) / 'monday'
    options = ['--scheduler-file', where, '--no-dashboard']
    scheduler = subprocess.Popen(
        [sys.executable, '-I', '-m', 'distributed.cli.dask_scheduler', '--port', '0', *options],
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, '-m', 'distributed.cli.dask_worker', '--nthreads', '1', *options],
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not where.exists():
            time.sleep(0.01)
        address = json.loads(where.read_text())['address']
        small = write_bag('small', {'/eye': [bgr_to_image(small_portrait, stamped(0))]})
        command = ['process', small, '-o', tmp_path / 'one', '--scheduler', address]
        code, printed, _ = run(*command)
        assert code == 0
        assert printed.startswith(f'{tmp_path}/one: 1 images of /eye, 1 faces with 1 ids\n')
        process = subprocess.Popen(
            [*COMMAND, folder, '-o', out, '--scheduler', address],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for_results(out, process)
        scheduler.kill()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2
        last = errors.splitlines()[-1]
        assert last.startswith('emotion-perception bag: the scheduler was lost; start the same')
    finally:
        for one in (worker, scheduler):
            one.terminate()
            one.wait(60)
