# SPDX-License-Identifier: Apache-2.0
"""Run a node of this package in a process of its own: for the demo, benchmarks and tests."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

EMOTION_NODE, CAMERA_NODE, BEHAVIOR_NODE = (
    f'emotion_perception.ros.{name}' for name in ('emotion_node', 'camera_node', 'behavior_node')
)
"""The modules of this package's nodes, for `NodeProcess`."""

_NODES, _PROGRAMS = 'emotion_perception.ros.', 'emotion_perception.ros.programs'

reserved: dict[int, socket.socket] = {}
"""Domain -> the socket whose name reserves it until this process ends."""


def free_domain(domains: Sequence[int] = range(1, 101)) -> int:
    """
    Return a ROS domain, drawn from `domains`, that nothing on this machine uses, and reserve it.

    Calls in other processes do not return it while this one runs; later calls in this process may,
    when all others are taken and nothing uses it any more. Where all are used it returns any of
    them.
    """
    drawn = random.sample(domains, len(domains))
    drawn.sort(key=lambda domain: domain in reserved)
    return next(filter(_reserve, drawn), drawn[0])


def _reserve(domain: int) -> bool:
    """Return whether a domain is free; if so, it is reserved."""
    reservation = reserved.get(domain)
    if reservation is None:
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            # a name without a file, which ends with this process
            reservation.bind(f'\0emotion_perception/domain/{domain}')
        except OSError:
            reservation.close()
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # of the domain's first participant (DDSI-RTPS 2.3, 9.6.1: PB + DG * domain + d1)
            probe.bind(('', 7400 + 250 * domain + 10))
        except OSError:
            if domain not in reserved:
                reservation.close()
            return False
    reserved[domain] = reservation
    return True


class NodeProcess:
    """
    A Python module with a node in it, running in a child process.

    Attributes:
        pid: process id, for example for `psutil.Process`.
        started_s: monotonic time of the start, in seconds.
        log: monotonic time and text of each line that it printed, stdout and stderr together.

    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        remappings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        """
        Start it.

        Args:
            module: dotted name, such as ``'emotion_perception.ros.emotion_node'``; a node of this
                package starts like its executable, so that a signal during its imports ends it
                quietly.
            arguments: of the command line, before the ROS arguments.
            parameters: ROS parameters by name.
            remappings: ROS names, from -> to.
            environment: variables added to this process's own.

        """
        ros_arguments = []
        for name, value in (parameters or {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            ros_arguments += ['-p', f'{name}:={text}']
        for old, new in (remappings or {}).items():
            ros_arguments += ['-r', f'{old}:={new}']
        if ros_arguments:
            ros_arguments.insert(0, '--ros-args')
        self.started_s = time.monotonic()
        self.log: list[tuple[float, str]] = []
        if module.startswith(_NODES):
            module, arguments = _PROGRAMS, [module.removeprefix(_NODES), *arguments]
        self._process = subprocess.Popen(
            [sys.executable, '-u', '-m', module, *arguments, *ros_arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env={**os.environ, **(environment or {})},
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append((time.monotonic(), line))

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return ''.join(line for _, line in list(self.log))

    def seconds_until(self, text: str) -> float | None:
        """Return the time from the start to the first line with `text` in it; None without one."""
        times = (at - self.started_s for at, line in list(self.log) if text in line)
        return next(times, None)

    def signal(self, number: int) -> None:
        """Send a signal, such as `signal.SIGSTOP`; nothing happens after its end."""
        if self.running:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """
        Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: if it still runs after `timeout_s` seconds.

        """
        code = self._process.wait(timeout_s)
        self._reader.join(5)
        return code

    def stop(self, timeout_s: float = 10.0) -> int:
        """Send SIGINT (Ctrl-C), kill it if it does not end in time, and return the exit code."""
        self.signal(signal.SIGINT)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill it at once and return the exit code, -9."""
        self.signal(signal.SIGKILL)
        return self.wait(10)
