"""The process that runs one target: it may crash or hang, and what it was about to read is known then."""

import argparse
import json
import mmap
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fuzz.mutation import LONGEST, mutated
from fuzz.targets import Run, targets

HEAD = struct.Struct('<QI')
"""Of the file with the present input: how many were run before, and its length."""

MAX_MB = 3000
"""Of memory; a recording may unpack to 512 MiB, of which the readers hold a few copies."""


class Present:
    """The input that is being read, in a file that outlives the process."""

    def __init__(self, path: Path):
        """Make the file."""
        path.write_bytes(bytes(HEAD.size + LONGEST))
        with path.open('r+b') as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def put(self, number: int, data: bytes) -> None:
        """Note that input `number` is read now."""
        self._map[HEAD.size : HEAD.size + len(data)] = data
        self._map[: HEAD.size] = HEAD.pack(number, len(data))


def read_present(path: Path) -> tuple[int, bytes]:
    """Return number and bytes of the input that a worker reads, or read last."""
    content = path.read_bytes()
    number, length = HEAD.unpack(content[: HEAD.size])
    return number, content[HEAD.size : HEAD.size + length]


def place(error: BaseException) -> str:
    """Return what an error is and where it arose: the same for each input that leads to it."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [f'{Path(one.filename).name}:{one.lineno}' for one in frames[1:]]
    return f'{type(error).__name__} in {names[-1] if names else "?"}'


class Tally:
    """What became of the inputs, in a file that is written again and again."""

    def __init__(self, path: Path, findings: Path, run: Run, limits: tuple[float, int]):
        """
        Begin.

        Args:
            path: of the file.
            findings: folder for inputs that led to something else than an answer or a refusal.
            run: the target.
            limits: seconds and executions; the process ends when either is reached.

        """
        self._path, self._findings, self._run = path, findings, run
        self._seconds, self._most = limits
        self._began = self._written = time.monotonic()
        self._endings: Counter[str] = Counter()
        self._found: dict[str, int] = {}
        self._executions, self._slowest_s = 0, 0.0
        self._present = Present(path.with_suffix('.input'))

    def execute(self, data: bytes) -> None:
        """Run one input; end the process when it was the last."""
        data = bytes(data[:LONGEST])
        self._present.put(self._executions, data)
        begin = time.monotonic()
        try:
            self._endings[self._run(data)] += 1
        except Exception as error:
            self._keep(place(error), data, traceback.format_exc())
        now = time.monotonic()
        self._slowest_s = max(self._slowest_s, now - begin)
        self._executions += 1
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MAX_MB * 1000:
            self._keep('more memory than allowed', data, '')
            self.end()
        if now - self._began > self._seconds or self._executions >= self._most:
            self.end()
        if now - self._written > 1:
            self._write()

    def end(self) -> None:
        """Write what is known and end the process at once, atheris and all."""
        self._write()
        os._exit(0)

    def _keep(self, what: str, data: bytes, trace: str) -> None:
        self._found[what] = self._found.get(what, 0) + 1
        if self._found[what] == 1:
            keep(self._findings, what, data, trace)

    def _write(self) -> None:
        self._written = time.monotonic()
        made = {
            'executions': self._executions, 'endings': self._endings, 'findings': self._found,
            'slowest_s': round(self._slowest_s, 3),
        }  # fmt: skip
        partial = self._path.with_suffix('.partial')
        partial.write_text(json.dumps(made))
        partial.replace(self._path)


def keep(folder: Path, what: str, data: bytes, trace: str) -> None:
    """Keep an input that led to a finding."""
    folder.mkdir(parents=True, exist_ok=True)
    name = ''.join(letter if letter.isalnum() else '_' for letter in what)[:80]
    (folder / f'{name}.bin').write_bytes(data)
    (folder / f'{name}.txt').write_text(f'{what}\n{trace}')


def _with_mutations(tally: Tally, seeds: list[bytes], chance: random.Random) -> None:
    for seed in seeds:
        tally.execute(seed)
    while True:
        tally.execute(mutated(chance.choice(seeds), chance, seeds))


def _with_atheris(tally: Tally, seeds: list[bytes], folder: Path, chance: random.Random) -> None:
    import atheris

    corpus = folder / 'corpus'
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f'seed{number}').write_bytes(seed)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        if seed % 2:
            return atheris.Mutate(data, min(longest, LONGEST))
        return mutated(data, random.Random(seed), seeds)[:longest]

    words = [
        sys.argv[0], str(corpus), f'-seed={chance.randrange(1, 2**31)}', f'-max_len={LONGEST}',
        '-timeout=1000000', '-rss_limit_mb=0', f'-artifact_prefix={folder}/', '-verbosity=0', '-detect_leaks=0', '-print_final_stats=0',
    ]  # fmt: skip
    atheris.Setup(words, tally.execute, custom_mutator=mutate)
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a target until time or executions are over."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('target')
    parser.add_argument('engine', choices=('atheris', 'mutation'))
    parser.add_argument('tally', type=Path, help='file for what became of the inputs')
    parser.add_argument('--findings', type=Path, required=True)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=1e9)
    parser.add_argument('--executions', type=int, default=10**12)
    args = parser.parse_args(arguments)
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix='fuzz-') as name:
        folder = Path(name)
        for part in ('files', 'seeds'):
            (folder / part).mkdir()
        target = targets()[args.target]
        if args.engine == 'atheris':
            import atheris

            with atheris.instrument_imports(include=['emotion_perception', 'rosbags']):
                run = target.load(folder / 'files')
        else:
            run = target.load(folder / 'files')
        seeds = target.seeds(folder / 'seeds')
        tally = Tally(args.tally, args.findings, run, (args.seconds, args.executions))
        if args.engine == 'atheris':
            _with_atheris(tally, seeds, folder, chance)
        else:
            _with_mutations(tally, seeds, chance)


if __name__ == '__main__':
    main()
