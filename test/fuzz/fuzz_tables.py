# SPDX-License-Identifier: Apache-2.0
"""The record of a fuzzing run, as Markdown."""

from typing import Any

from tabulate import tabulate

from fuzz.targets import TARGETS


def counts_table(record: dict[str, Any]) -> str:
    """Return a row for each target."""
    rows = [
        (
            TARGETS[row['target']].what, row['engine'], f'{row["seconds"] / 60:.1f}',
            f'{row["read"]:,}', f'{row["refused"]:,}', row['kinds'], f'{row["slowest_s"]:.2f} s',
            len(row['findings']),
        )
        for row in record['targets']
    ]  # fmt: skip
    counts = ('minutes', 'read', 'refused', 'kinds of refusal', 'slowest', 'findings')
    headers = ('what is read', 'engine', *counts)
    return tabulate(rows, headers, 'github', disable_numparse=True)


def total_sentence(record: dict[str, Any]) -> str:
    """Return the totals and the versions, as a sentence."""
    rows = record['targets']
    inputs = sum(row['read'] + row['refused'] for row in rows)
    minutes = sum(row['seconds'] for row in rows) / 60
    findings = sum(len(row['findings']) for row in rows)
    packages = ', '.join(f'{name} {number}' for name, number in record['packages'].items())
    return (
        f'{inputs:,} inputs in {minutes:.0f} minutes, {findings} findings '
        f'(seed {record["seed"]}; {packages}).'
    )
