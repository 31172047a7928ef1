"""Run a target in processes of its own for some time, and count: a crash or a hang is a finding too."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.worker import keep, read_present

ENGINES = ('atheris', 'mutation')
"""What thinks up inputs: libFuzzer, which looks where they lead; or chance alone."""

HANG_S = 60.0
"""An input that takes longer is a finding."""

_ROOT = Path(__file__).parents[2]
_MOST_FINDINGS = 20
_START_S = 120.0


@dataclass
class Count:
    """
    What became of the inputs that one target was given.

    Attributes:
        target: name of it.
        engine: one of `ENGINES`.
        executions: inputs that were run.
        seconds: that took.
        slowest_s: the longest that one took.
        endings: how they ended, and how often: read, or refused and why.
        findings: what else came of them, and how often; an input for each is kept.

    """

    target: str
    engine: str
    executions: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    endings: Counter = field(default_factory=Counter)
    findings: Counter = field(default_factory=Counter)

    def add(self, tally: dict[str, Any]) -> None:
        """Add what one process counted."""
        self.executions += tally['executions']
        self.slowest_s = max(self.slowest_s, tally['slowest_s'])
        self.endings.update(tally['endings'])
        self.findings.update(tally['findings'])


def has_atheris() -> bool:
    """Tell whether atheris is installed."""
    return importlib.util.find_spec('atheris') is not None


def fuzz(
    target: str,
    findings: Path,
    seconds: float = 1e9,
    executions: int = 10**12,
    engine: str = '',
    seed: int = 0,
) -> Count:
    """
    Give a target one input after another.

    Args:
        target: name in `targets.targets()`.
        findings: folder for inputs that led to something else than an answer or a refusal.
        seconds: how long.
        executions: how many at most.
        engine: one of `ENGINES`; empty takes atheris where it is installed.
        seed: of chance; the same gives the same inputs with `mutation`.

    """
    count = Count(target, engine or ENGINES[not has_atheris()])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='fuzz-') as folder:
        while True:
            left_s = seconds - (time.monotonic() - began)
            left = executions - count.executions
            if left <= 0 or left_s <= 0 or len(count.findings) >= _MOST_FINDINGS:
                break
            tally = Path(folder) / f'{seed}.json'
            command = [
                sys.executable, '-m', 'fuzz.worker', target, count.engine, str(tally),
                '--findings', str(findings.absolute()), '--seed', str(seed), '--seconds', str(left_s), '--executions', str(left),
            ]  # fmt: skip
            with (Path(folder) / 'log').open('w') as log:
                process = subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, cwd=_ROOT
                )
                what = _watch(process, tally.with_suffix('.input'))
            said = (Path(folder) / 'log').read_text(errors='replace')[-2000:]
            if not tally.exists() and not tally.with_suffix('.input').exists():
                raise RuntimeError(f'the target {target} cannot be run: {said}')
            if tally.exists():
                count.add(json.loads(tally.read_text()))
            if what:
                number, data = read_present(tally.with_suffix('.input'))
                if not tally.exists():
                    count.executions += number + 1
                count.findings[what] += 1
                keep(findings, what, data, said)
            seed += 1_000_003
    count.seconds = round(time.monotonic() - began, 1)
    return count


def _watch(process: subprocess.Popen, present: Path) -> str:
    """Wait for the end of a worker; return what went wrong, empty if nothing did."""
    moved, last = time.monotonic() + _START_S, -1
    try:
        while process.poll() is None:
            time.sleep(0.05)
            number = read_present(present)[0] if present.exists() else -1
            if number != last:
                moved, last = time.monotonic(), number
            if time.monotonic() - moved > HANG_S:
                return f'no end within {HANG_S:g} s'
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return f'the process ended with {process.returncode}' if process.returncode else ''
