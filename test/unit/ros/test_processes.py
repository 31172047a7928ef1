# SPDX-License-Identifier: Apache-2.0
"""Which ROS domain is free, among processes that look for one at the same time."""

import socket
import subprocess
import sys
import time

import pytest

from emotion_perception.ros import processes
from emotion_perception.ros.processes import EMOTION_NODE, NodeProcess, free_domain

DOMAINS = (220, 221, 222)
HOLD = (
    'from emotion_perception.ros.processes import free_domain\n'
    f'print(free_domain({DOMAINS}), flush=True)\n'
    'input()'
)


@pytest.fixture(autouse=True)
def _no_reservations(monkeypatch):
    """Forget what this process has reserved, before and after each test."""
    made = {}
    monkeypatch.setattr(processes, 'reserved', made)
    yield
    for reservation in made.values():
        reservation.close()


def hold():
    """Start a process that reserves one of the domains; return it and the domain."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, int(process.stdout.readline())


def test_processes_get_different_domains():
    held = [hold() for _ in DOMAINS]
    try:
        assert {domain for _, domain in held} == set(DOMAINS)
        # all are taken: any of them
        assert free_domain(DOMAINS) in DOMAINS
        ended, domain = held.pop()
        ended.communicate('\n', timeout=20)
        assert free_domain(DOMAINS) == domain
    finally:
        for process, _ in held:
            process.communicate('\n', timeout=20)


def test_one_process_gets_each_domain_before_one_again():
    assert {free_domain(DOMAINS) for _ in DOMAINS} == set(DOMAINS)
    assert free_domain(DOMAINS) in DOMAINS


def test_a_domain_in_use_is_not_free():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * DOMAINS[0] + 10))
        assert free_domain(DOMAINS[:2]) == DOMAINS[1]


def test_a_node_that_is_stopped_during_its_imports_ends_quietly():
    process = NodeProcess(EMOTION_NODE, environment={'PYTHONVERBOSE': '1'})
    while not process.seconds_until("import 'emotion_perception.errors'"):
        assert process.running, process.output
        time.sleep(0.002)
    assert process.stop(timeout_s=30) == 0
    assert 'Traceback' not in process.output
    # it was stopped before its last import
    assert "import 'emotion_perception.ros.emotion_node'" not in process.output
