"""What a long run counted, for docs/lab/reliability.md."""

from typing import Any

from fuzz.targets import targets


def counts(record: dict[str, Any]) -> str:
    """Return a row for each target and engine."""
    names = {name: target.what for name, target in targets().items()}
    lines = [
        '| what is read | inputs from | minutes | inputs | read | refused | ways to be refused | slowest | findings |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    lines += [
        f'| {names[row["target"]]} | {row["engine"]} | {row["seconds"] / 60:.1f} | {row["executions"]:,} '
        f'| {row["read"]:,} | {row["refused"]:,} | {row["places"]} | {row["slowest_s"]:.2f} s '
        f'| {len(row["findings"])} |'
        for row in record['targets']
    ]
    return '\n'.join(lines)


def sentences(record: dict[str, Any]) -> str:
    """Return the sum, and what was installed."""
    rows = record['targets']
    total, seconds = (sum(row[key] for row in rows) for key in ('executions', 'seconds'))
    findings = sum(len(row['findings']) for row in rows)
    packages = ', '.join(f'{name} {number}' for name, number in record['packages'].items())
    return (
        f'{total:,} inputs in {seconds / 60:.0f} minutes, {findings} findings '
        f'(seed {record["seed"]}; {packages}).'
    )
