"""What the node says of itself on /diagnostics."""

import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from emotion_perception.statistics import Statistics


def _judge(
    statistics: Statistics, state: str, trouble: str, silence_s: float, stalled_after_s: float
) -> tuple[bytes, str]:
    """Return level and message."""
    if trouble:
        return DiagnosticStatus.ERROR, trouble
    if state != 'active':
        return DiagnosticStatus.OK, f'{state}; no images are read'
    if silence_s > stalled_after_s:
        return (
            DiagnosticStatus.ERROR,
            f'no image for {silence_s:.1f} s; is the camera running and the topic right?',
        )
    if statistics.last_failure:
        return (
            DiagnosticStatus.WARN,
            f'the last image could not be used: {statistics.last_failure}',
        )
    return DiagnosticStatus.OK, f'processing {statistics.rate_hz():.1f} images a second'


def make_status(
    name: str,
    statistics: Statistics,
    state: str,
    trouble: str,
    silence_s: float,
    stalled_after_s: float,
    details: dict[str, Any],
) -> DiagnosticStatus:
    """
    Return the node's status.

    Args:
        name: of the node.
        statistics: its counts.
        state: its lifecycle state.
        trouble: why it cannot work at all; empty where it can.
        silence_s: time since the last image, or since activation before the first.
        stalled_after_s: silence of the camera, in seconds, that counts as an error.
        details: further values to show, such as the model in use.

    """
    level, message = _judge(statistics, state, trouble, silence_s, stalled_after_s)
    processing, age = statistics.percentiles_ms('processing'), statistics.percentiles_ms('age')
    values = {
        'state': state,
        'images received': statistics.received,
        'images processed': statistics.processed,
        'images skipped for a newer one': statistics.skipped,
        'images that could not be used': sum(statistics.failed.values()),
        **{f'could not be used: {kind}': count for kind, count in statistics.failed.items()},
        'times the camera stalled': statistics.stalls,
        'faces seen': statistics.faces,
        'rate (Hz)': f'{statistics.rate_hz():.2f}',
        'processing p50 (ms)': _number(processing[0]),
        'processing p99 (ms)': _number(processing[1]),
        'age at publication p50 (ms)': _number(age[0]),
        'age at publication p99 (ms)': _number(age[1]),
        **details,
    }
    return DiagnosticStatus(
        level=level,
        name=f'{name}: perception',
        message=message,
        hardware_id='',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def _number(value: float) -> str:
    return 'none yet' if math.isnan(value) else f'{value:.2f}'
