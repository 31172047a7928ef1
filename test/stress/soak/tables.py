"""A soak's record in words and in a table."""

from typing import Any

from stress.soak.verdicts import MAX_MB_AN_HOUR

_WORD = {True: 'yes', False: '**no**', None: 'cannot be told'}


def summary(record: dict[str, Any]) -> str:
    """Return what was done, in a sentence or two."""
    ended = '' if record['finished'] else f' **Unfinished**: {record["ended"]}.'
    if not record['samples']:
        return f'Nothing was measured.{ended}'
    latency = record['latency_ms']
    return (
        f'{record["seconds"] / 60:.1f} minutes at {record["rate_hz"]:g} Hz, the first '
        f'{record["warm_up_s"] / 60:.1f} of them to warm up: {record["visits"]} visits of up to '
        f'{record["faces_at_once"]} people at once, {record["faces"]} faces, {record["ids"]} ids. After the '
        f'warm-up {record["sent"]} images sent, {record["processed"]} processed, {record["skipped"]} skipped for '
        f'a newer one, {record["lost"]} replaced or lost before they reached the node; '
        f'{record["cpu_share"]:.0%} of a core; latency from the camera to a third process, medians of the '
        f'samples, p50 {latency["p50"]}, p99 {latency["p99"]} ms.{ended}'
    )


def table(record: dict[str, Any]) -> str:
    """Return the limits, what was found, and whether it holds."""
    rows = ['| what | limit | found | holds |', '|---|---|---|---|']

    def row(name: str, what: str, limit: str, found: str) -> None:
        rows.append(f'| {what} | {limit} | {found} | {_WORD[record["verdicts"][name]]} |')

    kinds = {
        'resident_mb': 'resident memory after warm-up',
        'own_mb': 'of it its own (anonymous and file)',
        'shared_mb': 'of it shared with other processes',
    }
    for name, values in record.get('memory', {}).items():
        found = f'{values["after_warm_up"]:.1f} to {values["at_last"]:.1f} MB; {slope(values)}'
        if name in record['verdicts']:
            row(name, kinds[name], f'below {MAX_MB_AN_HOUR:g} MB an hour', found)
        else:
            rows.append(f'| {kinds[name]} |  | {found} |  |')
    words = {
        'threads': 'threads',
        'handles': 'handles (file descriptors)',
        'endpoints': "the node's publishers, subscriptions and services",
        'topics': 'topics in the graph',
    }
    for name, what in words.items():
        if 'counted' in record:
            found = '{at_first} at first, {at_last} at last, {most} at most'
            row(name, what, 'no growth', found.format(**record['counted'][name]))
    if record['samples']:
        at_the_end = max(record['followed_at_the_end'], 0)
        row(
            'ids', 'ids', 'only with faces',
            f'{record["new_ids_in_empty_room"]} new while nobody was there, {record["ids_that_came_back"]} used '
            f'again; {record["followed_in_empty_room"] + at_the_end} faces still followed in '
            f'{record["looks_at_empty_room"] + (record["followed_at_the_end"] >= 0)} looks at an empty room',
        )  # fmt: skip
    return '\n'.join(rows)


def slope(values: dict[str, Any]) -> str:
    """Return the slope of one kind of memory in words."""
    found = values['mb_an_hour']
    if found['slope'] is None:
        return 'too short for a slope'
    return (
        f'{found["slope"]:+.2f} ({found["low"]:+.2f} to {found["high"]:+.2f}) MB an hour '
        f'over {found["blocks"]} rounds'
    )
