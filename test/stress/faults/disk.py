"""A machine that is not whole: no home folder, full disks, a console that nobody reads."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm

from benchmarks.processes import NODE
from stress.faults.counting import Count
from stress.faults.robot import TRANSITIONS, Robot, robot


@dataclass(frozen=True)
class Lack:
    """
    One thing that is missing.

    Attributes:
        environment: variables that differ; None takes one away.
        shell: runs before the node, in a namespace of mounts of its own where `mounts`; FOLDER is an empty folder.
        mounts: whether it mounts a small disk.
        redirect: where the node's output goes.
        no_growth: whether from its first answer on no file may grow.

    """

    environment: tuple[tuple[str, str | None], ...] = ()
    shell: str = ':'
    mounts: bool = False
    redirect: str = '>/dev/null 2>&1'
    no_growth: bool = False


_OWN_MOUNTS = ['unshare', '-rm']
FULL_AFTER_S = 3.0
_SMALL_DISK = 'mount -t tmpfs -o size=64k small FOLDER'
# not to the last byte: there `import rclpy` itself ends with a bus error
_FULL_MEMORY = 'mount -t tmpfs -o size=1m small /dev/shm; cat /dev/zero >/dev/shm/full'
_LOGS = (('ROS_LOG_DIR', 'FOLDER'),)
LACKS: dict[str, Lack] = {
    'no HOME': Lack((('HOME', None), ('ROS_HOME', None), ('ROS_LOG_DIR', None))),
    'an empty HOME': Lack((('HOME', ''), ('ROS_HOME', None), ('ROS_LOG_DIR', None))),
    'HOME is no folder': Lack((('HOME', '/dev/null/nobody'), ('ROS_HOME', None), ('ROS_LOG_DIR', None))),
    'the log folder is a file': Lack((('ROS_LOG_DIR', '/dev/null'),)),
    'the log folder cannot be written': Lack((('ROS_LOG_DIR', '/proc'),)),
    'the disk of the logs is full': Lack(_LOGS, f'{_SMALL_DISK}; cat /dev/zero >FOLDER/full', True),
    'the disk of the logs cannot be written': Lack(_LOGS, f'{_SMALL_DISK}; mount -o remount,ro FOLDER', True),
    'the disk of the logs is full after a while': Lack(_LOGS, _SMALL_DISK + '; { sleep 2; cat /dev/zero >FOLDER/full; } &', True),
    'no file may grow after a while': Lack(_LOGS, no_growth=True),
    'the disk of the output is full': Lack(redirect='>/dev/full 2>&1'),
    'the disks of logs and output are full': Lack((('ROS_LOG_DIR', '/proc'),), redirect='>/dev/full 2>&1'),
    'no output': Lack((('ROS_LOG_DIR', '/proc'),), redirect='>&- 2>&- <&-'),
    'nobody reads the output any more': Lack(_LOGS, redirect='> >(head -n 1 >/dev/null) 2>&1'),
    'no folder for temporary files': Lack((('TMPDIR', '/nowhere'),)),
    'the working folder is gone': Lack(shell='mkdir FOLDER/gone && cd FOLDER/gone && rmdir FOLDER/gone'),
    'no shared memory': Lack(shell='mount -t tmpfs -o size=64k small /dev/shm', mounts=True),
    'no shared memory but 64 KB': Lack(shell=f'{_FULL_MEMORY}; truncate -s -64K /dev/shm/full', mounts=True),
}  # fmt: skip


def may_mount() -> bool:
    """Tell whether a namespace of its own with other mounts can be made here."""
    if not shutil.which(_OWN_MOUNTS[0]):
        return False
    return not subprocess.run(
        [*_OWN_MOUNTS, 'mount', '-t', 'tmpfs', 'small', '/mnt'],
        check=False,
        capture_output=True,
    ).returncode


@contextmanager
def _started(lack: Lack, domain: int, folder: str) -> Iterator[subprocess.Popen]:
    """Start the node where something lacks; each of the programs execs the next, so the process is the node."""
    script = (
        f'exec 3>&2 2>/dev/null\n{lack.shell}\nexec 2>&3 3>&-\n'
        f'exec {sys.executable} -m {NODE} --ros-args -p autostart:=true {lack.redirect}'
    )
    environment = os.environ | {'ROS_DOMAIN_ID': str(domain)}
    for name, value in lack.environment:
        environment.pop(name, None)
        if value is not None:
            environment[name] = value.replace('FOLDER', folder)
    command = ['bash', '-c', script.replace('FOLDER', folder)]
    process = subprocess.Popen([*_OWN_MOUNTS * lack.mounts, *command], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def miss(progress: bool = False, names: Collection[str] = tuple(LACKS)) -> Count:
    """
    Start the node where something is missing; it must answer, log, change its state and end cleanly.

    Args:
        progress: show a bar.
        names: of `LACKS`; those that are tried.

    """
    lost = dict.fromkeys(('nodes that did not answer', 'nodes that ended', 'transitions', 'unclean ends'), 0)  # fmt: skip
    can_mount = may_mount()
    skipped = [name for name in names if LACKS[name].mounts and not can_mount]
    tried = [name for name in names if name not in skipped]
    waits: list[float] = []
    for name in tqdm(tried, 'lacks', disable=not progress, leave=False):
        lack = LACKS[name]
        with (
            tempfile.TemporaryDirectory(prefix='lack-') as folder,
            robot() as r,
            _started(lack, r.domain, folder) as node,
        ):
            waits.append(_work(r, lack, node, lost))
    return Count(
        'homes, disks, consoles, shared memory: missing, full or locked', len(tried), lost, recovered_s=waits,
        skipped=f'no disk can be mounted here: {", ".join(skipped)}' * bool(skipped),
    )  # fmt: skip


def _work(r: Robot, lack: Lack, node: subprocess.Popen, lost: dict[str, int]) -> float:
    """Let the node answer, log, change its state and answer again; return the seconds to the first answer."""
    answer, took_s = r.answer()
    lost['nodes that did not answer'] += answer is None
    if answer is not None:
        if lack.no_growth:
            resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (0, 0))
        if 'sleep' in lack.shell:
            r.spin(FULL_AFTER_S)
        # each of these is logged as an error
        lost['transitions'] += sum(r.transition(TRANSITIONS['configure']) for _ in range(20))
        lost['transitions'] += not r.bring('deactivate', 'cleanup', 'configure', 'activate')
        lost['nodes that did not answer'] += r.answer()[0] is None
    lost['nodes that ended'] += node.poll() is not None
    node.send_signal(signal.SIGINT)
    try:
        lost['unclean ends'] += node.wait(10) != 0
    except subprocess.TimeoutExpired:
        lost['unclean ends'] += 1
    return took_s
