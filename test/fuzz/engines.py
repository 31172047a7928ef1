# SPDX-License-Identifier: Apache-2.0
"""Two sources of inputs, and the process that runs one of them."""

import argparse
import contextlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from fuzz.targets import Counter, Target

ENGINES = ('atheris', 'hypothesis')
"""atheris (libFuzzer) follows the coverage; hypothesis edits valid inputs at random."""
MAX_BYTES = 2**18
_EDIT = st.tuples(st.integers(0, 1500), st.integers(0, 8), st.binary(max_size=8))
"""Position, number of bytes removed there, bytes inserted there."""


def has_atheris() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec('atheris') is not None


def edit(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return `data` after some edits, each at a position modulo its length."""
    for position, removed, inserted in edits:
        at = position % (len(data) + 1)
        data = data[:at] + inserted + data[at + removed :]
    return data[:MAX_BYTES]


def run_hypothesis(
    target: 'Target', read: Callable[[bytes], object], examples: int, number: int = 0
) -> None:
    """
    Call `read` with edited seeds of a target.

    Args:
        target: has the seeds.
        read: reads an input.
        examples: number of inputs.
        number: of the random sequence.

    Raises:
        Exception: what the target raised for the smallest input that was found.

    """
    seeds = target.seeds()
    for data in seeds:
        read(data)

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), st.lists(_EDIT, max_size=8))
    def read_edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        read(edit(data, edits))

    read_edited()


def run_atheris(
    target: 'Target', read: Callable[[bytes], object], folder: Path, seconds: float, number: int
) -> None:
    """Run libFuzzer, which ends this process; it writes the input of a finding into `folder`."""
    import atheris

    corpus = folder / 'corpus'
    corpus.mkdir(exist_ok=True)
    for index, data in enumerate(target.seeds()):
        (corpus / f'seed{index}').write_bytes(data)
    atheris.Setup(
        [
            sys.argv[0], str(corpus), f'-seed={number % 2**31 + 1}', f'-max_len={MAX_BYTES}',
            f'-max_total_time={max(round(seconds), 1)}', '-timeout=60', '-rss_limit_mb=3000',
            f'-artifact_prefix={folder}/', '-verbosity=0', '-detect_leaks=0',
        ],
        read,
    )  # fmt: skip
    atheris.Fuzz()


def count_into(path: Path, counter: 'Counter') -> Callable[[bytes], None]:
    """Return a function that reads an input and writes the counts about once a second."""
    started_s, written_s, slowest_s = time.monotonic(), 0.0, 0.0

    def read(data: bytes) -> None:
        nonlocal written_s, slowest_s
        before_s = time.monotonic()
        try:
            counter(data)
        finally:
            now_s = time.monotonic()
            slowest_s = max(slowest_s, now_s - before_s)
            if now_s - written_s > 1:
                written_s = now_s
                counts = {
                    'read': counter.read,
                    'refused': counter.refused,
                    'kinds': len(counter.kinds),
                    'seconds': round(now_s - started_s, 1),
                    'slowest_s': round(slowest_s, 3),
                }
                path.write_text(json.dumps(counts))

    return read


def main() -> None:
    """Run one target with one engine and write the counts into FOLDER/counts.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('target')
    parser.add_argument('engine', choices=ENGINES)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--seconds', type=float, required=True)
    parser.add_argument('--seed', type=int, required=True)
    args = parser.parse_args()
    instrumented: Any = contextlib.nullcontext()
    if args.engine == 'atheris':
        import atheris

        # atheris sees the coverage of modules that are imported now
        instrumented = atheris.instrument_imports(include=['emotion_perception'])
    with instrumented:
        from fuzz.targets import TARGETS, Counter

    target = TARGETS[args.target]
    read = count_into(args.folder / 'counts.json', Counter(target.make()))
    if args.engine == 'atheris':
        run_atheris(target, read, args.folder, args.seconds, args.seed)
    end_s, number = time.monotonic() + args.seconds, args.seed
    while time.monotonic() < end_s:
        run_hypothesis(target, read, 100, number)
        number += 1


if __name__ == '__main__':
    main()
