# SPDX-License-Identifier: Apache-2.0
"""Nodes in processes of their own, with their CPU time and memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from emotion_perception.ros.processes import NodeProcess


class MeasuredProcess(NodeProcess):
    """
    A `NodeProcess` that can be measured.

    Attributes:
        usage: its `psutil.Process`, for threads, open files and memory maps.

    """

    def __init__(self, *args: Any, **options: Any):
        """Start it; the arguments are those of `NodeProcess`."""
        super().__init__(*args, **options)
        self.usage = psutil.Process(self.pid)

    @property
    def cpu_s(self) -> float:
        """CPU time of all its threads so far, user and system, in seconds."""
        times = self.usage.cpu_times()
        return times.user + times.system

    @property
    def memory_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        return self.usage.memory_info().rss / 1e6

    def count(self, text: str, since: int = 0) -> int:
        """Return how many printed lines contain `text`, from line number `since` on."""
        return sum(text in line for _, line in list(self.log)[since:])


class ProcessGroup:
    """Starts processes in one ROS domain and stops them together."""

    def __init__(self, domain: int | None = None):
        """
        Begin without processes.

        Args:
            domain: ROS domain of the processes; None is that of this process's environment.

        """
        self.processes: list[MeasuredProcess] = []
        self._environment = {} if domain is None else {'ROS_DOMAIN_ID': str(domain)}

    def start(
        self,
        module: str,
        *arguments: str,
        remappings: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        **parameters: Any,
    ) -> MeasuredProcess:
        """
        Start a module.

        Args:
            module: dotted name, such as `emotion_perception.ros.processes.EMOTION_NODE`.
            arguments: of the command line.
            remappings: ROS names, from -> to.
            environment: variables that are added to this process's own.
            parameters: ROS parameters.

        """
        process = MeasuredProcess(
            module, arguments, parameters, remappings, self._environment | (environment or {})
        )
        self.processes.append(process)
        return process

    def stop(self) -> dict[str, int]:
        """Stop all with SIGINT; return the output -> exit code of each that did not end with 0."""
        codes = [(process.stop(), process.output) for process in reversed(self.processes)]
        self.processes.clear()
        return {output: code for code, output in codes if code}


@contextmanager
def process_group(domain: int | None = None) -> Iterator[ProcessGroup]:
    """Give a `ProcessGroup`; at the end each process must end cleanly on SIGINT."""
    group = ProcessGroup(domain)
    try:
        yield group
    finally:
        failed = group.stop()
    assert not failed, failed


def set_domain(domain: int) -> None:
    """Let this process and those that it starts use a ROS domain, on this machine alone."""
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def files_open_for_writing(pid):
    """Return the files on disk that a process may write; shared memory is not on disk."""
    files = [file for file in psutil.Process(pid).open_files() if file.mode != 'r']
    return {Path(file.path) for file in files if not file.path.startswith('/dev/')}
