# SPDX-License-Identifier: Apache-2.0
"""Random parameter values, possible and impossible, while a camera sends 30 images a second."""

import math
import random
import time
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import parameter_value_to_python

from emotion_perception.ros.parameters import PARAMETERS, ParameterSpec
from emotion_perception.ros.processes import CAMERA_NODE
from stress.faults.trial import TIMEOUT_S, Result, TrialPeer, trial_peer
from support.ros_peer import OK

LIVE = tuple(spec for spec in PARAMETERS if spec.live)
_FIELDS = {
    bool: ('bool_value', ParameterType.PARAMETER_BOOL),
    int: ('integer_value', ParameterType.PARAMETER_INTEGER),
    float: ('double_value', ParameterType.PARAMETER_DOUBLE),
    str: ('string_value', ParameterType.PARAMETER_STRING),
    bytes: ('byte_array_value', ParameterType.PARAMETER_BYTE_ARRAY),
    list: ('double_array_value', ParameterType.PARAMETER_DOUBLE_ARRAY),
    type(None): ('bool_value', ParameterType.PARAMETER_NOT_SET),
}
ODD_VALUES: tuple[Any, ...] = (
    True, False, 0, 1, -1, 5, 2**31, 2**63 - 1, -(2**63), 0.0, 0.5, -0.0, 1e-300, 1e308,
    math.nan, math.inf, -math.inf, '', 'none', 'off', 'blurred', '../../etc/passwd',
    '\u2603' * 50, 'x' * 10_000, [], [0.5], [math.nan] * 100, b'raw', None,
)  # fmt: skip
"""Values of every type, most of which no parameter accepts."""


def to_message(name: str, value: Any) -> Parameter:
    """Return a parameter of any type as a message."""
    attribute, kind = _FIELDS[type(value)]
    parameter = ParameterValue(type=kind)
    if isinstance(value, bytes):
        value = [bytes([byte]) for byte in value]
    if value is not None:
        setattr(parameter, attribute, value)
    return Parameter(name=name, value=parameter)


def is_valid(spec: ParameterSpec, value: Any) -> bool:
    """Return whether a configured node must accept a value, by the parameter's description."""
    whole_for_real = type(value) is int and type(spec.default) is float
    if not spec.live or not (type(value) is type(spec.default) or whole_for_real):
        return False
    if spec.choices and value not in spec.choices:
        return False
    return spec.bounds is None or spec.bounds[0] <= value <= spec.bounds[1]


def _draw(dice: random.Random, spec: ParameterSpec) -> Any:
    """Return an odd value, or one within the bounds, at them or just outside."""
    if spec.bounds is None or dice.random() < 0.4:
        return dice.choice((*ODD_VALUES, *spec.choices, spec.default))
    low, high = spec.bounds
    if isinstance(spec.default, int):
        low, high = int(low), int(high)
        return dice.choice((dice.randint(low, high), low, high, low - 1, high + 1))
    return dice.choice((dice.uniform(low, high), low, high, low - 1e-3, high + 1e-3))


def change_parameters(changes: int, dice: random.Random) -> Result:
    """Set one to three random values in a call, one call of four atomically; check each result."""
    lost = dict.fromkeys(
        (
            'accepted though invalid', 'refused though valid', 'refusals without a reason',
            'values other than accepted', 'failed images', 'recoveries', 'nodes that ended',
        ),
        0,
    )  # fmt: skip
    values = {spec.name: spec.default for spec in PARAMETERS} | {'autostart': True}
    accepted = tried = 0
    with trial_peer() as peer:
        node = peer.start_node(autostart=True)
        peer.group.start(CAMERA_NODE, rate_hz=30.0, width=320, height=240)
        peer.until(lambda: any(m.faces for m in peer.arrays), TIMEOUT_S, 'the first emotion')
        first, started_s = len(peer.arrays), time.monotonic()
        for _ in range(changes):
            peer.spin(dice.uniform(0, 0.03))
            specs = dict.fromkeys(dice.sample(PARAMETERS + LIVE, dice.randint(1, 3)))
            drawn = [(spec, _draw(dice, spec)) for spec in specs]
            valid = [is_valid(spec, value) for spec, value in drawn]
            atomically = dice.random() < 0.25
            if atomically:
                valid = [all(valid)] * len(drawn)
            messages = [to_message(spec.name, value) for spec, value in drawn]
            tried += len(drawn)
            for (spec, value), expected, (done, reason) in zip(
                drawn, valid, _set(peer, messages, atomically), strict=True
            ):
                accepted += done
                lost['accepted though invalid'] += done and not expected
                lost['refused though valid'] += expected and not done
                lost['refusals without a reason'] += not done and not reason
                if done:
                    values[spec.name] = value
            lost['values other than accepted'] += _differences(peer, values)
        took_s = time.monotonic() - started_s
        processed = len(peer.arrays) - first
        _set(peer, [to_message(spec.name, spec.default) for spec in LIVE], False)
        happy = peer.spin_until(
            lambda: any(face.label == 'happiness' for face in peer.arrays[-1].faces), TIMEOUT_S
        )
        lost['recoveries'] = int(not happy)
        status = peer.wait_for_status(OK, TIMEOUT_S)
        lost['failed images'] = int(status.values['images_failed'])
        lost['nodes that ended'] = int(not node.running)
        memory_mb = node.memory_mb
    return Result(
        'random parameter values while images arrive',
        tried,
        lost,
        notes={
            'accepted': accepted,
            'images_per_second': round(processed / took_s, 1),
            'memory_mb': round(memory_mb, 1),
        },
    )


def _set(peer: TrialPeer, messages: list[Parameter], atomically: bool) -> list[tuple[bool, str]]:
    """Return for each parameter whether it was accepted, and the reason if not."""
    if atomically:
        call = SetParametersAtomically, 'set_parameters_atomically'
        result = peer.call(*call, SetParametersAtomically.Request(parameters=messages)).result
        results = [result] * len(messages)
    else:
        call = SetParameters, 'set_parameters'
        results = peer.call(*call, SetParameters.Request(parameters=messages)).results
    return [(result.successful, result.reason) for result in results]


def _differences(peer: TrialPeer, values: dict[str, Any]) -> int:
    """Return how many parameters of the node differ from `values`."""
    request = GetParameters.Request(names=list(values))
    found = peer.call(GetParameters, 'get_parameters', request).values
    pairs = zip(map(parameter_value_to_python, found), values.values(), strict=True)
    return sum(a != b for a, b in pairs)
