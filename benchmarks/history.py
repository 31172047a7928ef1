"""
What each change gave: several commits of this package, in turn, on the same frames.

python -m benchmarks.history COMMIT COMMIT ... [--out docs/lab/records/history.json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figures import interleaved, of_rounds, ratio
from benchmarks.peers import EACH, Worker, write_frames

ROOT = Path(__file__).parents[1]


def _git(*words: str) -> str:
    return subprocess.run(
        ['git', *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def measure(commits: list[str], calls: int, rounds: int) -> list[dict[str, Any]]:
    """
    Return for each commit its subject, its figures and how many times faster it is than the first.

    Args:
        commits: oldest first.
        calls: frames in a round.
        rounds: number of rounds.

    """
    with tempfile.TemporaryDirectory(prefix='history-') as place:
        frames = Path(place) / 'frames'
        frames.mkdir()
        write_frames(frames)
        workers = {}
        try:
            for commit in commits:
                tree = Path(place) / commit
                _git('worktree', 'add', '--detach', str(tree), commit)
                path = f'{tree}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
                workers[commit] = Worker(
                    EACH, Path(sys.executable), frames, {'PYTHONPATH': path}, name=commit
                )
            times = interleaved(dict(workers), calls, rounds)
        finally:
            for worker in workers.values():
                worker.stop()
            for commit in commits:
                subprocess.run(
                    ['git', 'worktree', 'remove', '--force', str(Path(place) / commit)],
                    cwd=ROOT, check=False, capture_output=True,
                )  # fmt: skip
    return [
        {
            'commit': _git('rev-parse', '--short', commit),
            'subject': _git('log', '-1', '--format=%s', commit),
            **of_rounds(times[commit]),
            'times_faster': ratio(times[commits[0]], times[commit]),
        }
        for commit in commits
    ]


def main() -> int:
    """Measure and print a line for each commit."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.history', description=__doc__.strip().splitlines()[0]
    )
    parser.add_argument('commits', nargs='+', help='oldest first')
    parser.add_argument('--out', type=Path, help='json file for the figures')
    args = parser.parse_args()
    rows = measure(args.commits, 40, 5)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + '\n')
    for row in rows:
        print(
            f'{row["commit"]}  p50 {row["p50"]:6.2f} ms  p99 {row["p99"]:6.2f} ms  '
            f'{row["times_faster"]["median"]:.2f} times as fast  {row["subject"]}'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
