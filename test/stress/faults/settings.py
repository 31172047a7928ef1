"""Parameters changed at random, possible and impossible values, while a camera sends thirty images a second."""

import math
import random
import time
from itertools import pairwise
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.parameter import parameter_value_to_python
from tqdm import tqdm

from benchmarks.processes import CAMERA
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.parameters import PARAMETERS, ParameterSpec
from stress.faults.counting import Count
from stress.faults.robot import PATIENCE_S, Robot, chance, robot

LIVE = tuple(spec for spec in PARAMETERS if spec.live)
_KINDS = {
    bool: ('bool_value', ParameterType.PARAMETER_BOOL),
    int: ('integer_value', ParameterType.PARAMETER_INTEGER),
    float: ('double_value', ParameterType.PARAMETER_DOUBLE),
    str: ('string_value', ParameterType.PARAMETER_STRING),
    bytes: ('byte_array_value', ParameterType.PARAMETER_BYTE_ARRAY),
    list: ('double_array_value', ParameterType.PARAMETER_DOUBLE_ARRAY),
    type(None): ('bool_value', ParameterType.PARAMETER_NOT_SET),
}
ODD: tuple[Any, ...] = (
    True, False, 0, 1, -1, 5, 2**31, 2**63 - 1, -(2**63), 0.0, 0.5, -0.0, 1e-300, 1e308, math.nan, math.inf, -math.inf,
    '', 'none', 'off', 'blurred', '../../etc/passwd', '\N{SNOWMAN}' * 50, 'x' * 10_000, [], [0.5], [math.nan] * 100, b'raw',
    None,
)  # fmt: skip
"""Values of every type, most of which no parameter takes."""


def message(name: str, value: Any) -> Parameter:
    """Return a parameter as a message, of whatever type."""
    attribute, kind = _KINDS[type(value)]
    made = ParameterValue(type=kind)
    if value is not None:
        setattr(
            made, attribute, [bytes([each]) for each in value] if type(value) is bytes else value
        )
    return Parameter(name=name, value=made)


def allowed(spec: ParameterSpec, value: Any) -> bool:
    """Return whether a configured node must accept a value, by the parameter's description alone."""
    if not spec.live or type(value) is not type(spec.default):
        return False
    return spec.bounds is None or spec.bounds[0] <= value <= spec.bounds[1]


def _draw(dice: random.Random, spec: ParameterSpec) -> Any:
    """Return an odd value, or one within the bounds, or one at or just outside them."""
    if spec.bounds is None or dice.random() < 0.4:
        return dice.choice((*ODD, *spec.choices, spec.default))
    low, high = spec.bounds
    if isinstance(spec.default, int):
        return dice.choice((dice.randint(int(low), int(high)), int(low), int(high), int(low) - 1, int(high) + 1))  # fmt: skip
    return dice.choice((dice.uniform(low, high), low, high, low - 1e-3, high + 1e-3))


def change(changes: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Change parameters at random; the answer, the value afterwards and the images must be what they should.

    Args:
        changes: number of calls, each with one to three parameters, one of four all or none.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    lost = dict.fromkeys(('accepted though impossible', 'refused though possible', 'refusals without a reason', 'values that are not what was accepted', 'images that could not be used', 'returns to the first answer', 'nodes that ended'), 0)  # fmt: skip
    present = {spec.name: spec.default for spec in PARAMETERS} | {'autostart': True}
    accepted = tried = 0
    with robot() as r:
        node = r.start_node(autostart='true')
        r.start(CAMERA, rate_hz=30.0, width=320, height=240)
        r.until(lambda: any(m.faces for m, _ in r.heard), 'the first emotion')
        first, started = len(r.heard), time.monotonic()
        for _ in tqdm(range(changes), 'changes', disable=not progress, leave=False):
            r.spin(dice.uniform(0, 0.03))
            specs = dice.sample(PARAMETERS + LIVE, dice.randint(1, 3))
            drawn = [(spec, _draw(dice, spec)) for spec in dict.fromkeys(specs)]
            expected = [allowed(spec, value) for spec, value in drawn]
            together = dice.random() < 0.25
            if together:
                expected = [all(expected)] * len(drawn)
            said = _ask(r, drawn, together)
            tried += len(drawn)
            for (spec, value), right, (done, reason) in zip(drawn, expected, said, strict=True):
                accepted += done
                lost['accepted though impossible'] += done and not right
                lost['refused though possible'] += right and not done
                lost['refusals without a reason'] += not done and not reason
                if done:
                    present[spec.name] = value
            lost['values that are not what was accepted'] += _differ(r, present)
        answered, took_s = len(r.heard) - first, time.monotonic() - started
        gap_s = _longest_gap(r, first)
        r.set_parameters([message(spec.name, spec.default) for spec in LIVE])
        back = time.monotonic()
        r.spin(PATIENCE_S, lambda: any(face.label == 'happiness' for face in r.heard[-1][0].faces))
        back_s = time.monotonic() - back
        lost['returns to the first answer'] += back_s >= PATIENCE_S
        said_last = r.diagnosis(lambda d: (d['level'], d.get('state')) == ('0', 'active')) or {}
        lost['images that could not be used'] += int(said_last.get('images_failed', 1))
        lost['nodes that ended'] += not node.running
        memory = node.memory_mb()
    return Count(
        'parameters changed at random while images flow', tried, lost, seed, recovered_s=[back_s],
        notes={
            'accepted': accepted,
            'images_answered': answered,
            'answers_a_second': round(answered / took_s, 1),
            'longest_gap_s': round(gap_s, 2),
            'node_mb': round(memory, 1),
        },
    )  # fmt: skip


def _ask(
    r: Robot, drawn: list[tuple[ParameterSpec, Any]], together: bool
) -> list[tuple[bool, str]]:
    """Return for each parameter whether it was accepted, and why not."""
    wanted = [message(spec.name, value) for spec, value in drawn]
    if together:
        request = SetParametersAtomically.Request(parameters=wanted)
        result = r.call(SetParametersAtomically, 'set_parameters_atomically', request).result
        return [(result.successful, result.reason)] * len(drawn)
    return [(result.successful, result.reason) for result in r.set_parameters(wanted)]


def _differ(r: Robot, present: dict[str, Any]) -> int:
    """Return how many parameters of the node have another value than they should."""
    request = GetParameters.Request(names=list(present))
    values = r.call(GetParameters, 'get_parameters', request).values
    found = [parameter_value_to_python(value) for value in values]
    return sum(a != b for a, b in zip(found, present.values(), strict=True))


def _longest_gap(r: Robot, first: int) -> float:
    """Return the longest time between two images that were answered, by their stamps, in seconds."""
    stamps = [seconds(m.header.stamp) for m, _ in r.heard[first:]]
    return max((b - a for a, b in pairwise(stamps)), default=0.0)
