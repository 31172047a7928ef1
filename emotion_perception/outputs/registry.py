"""The further outputs by the parameters that ask for them."""

from importlib import import_module
from typing import Any

from rclpy.exceptions import NoTypeSupportImportedException
from rclpy.type_support import check_is_valid_msg_type

from emotion_perception.outputs.interface import Output

_MODULES = {'vision_msgs': 'vision', 'hri_msgs': 'hri'}
"""Package and parameter of one name -> module in this folder with the class `OUTPUT`."""


def find_outputs(present: dict[str, Any]) -> list[type[Output]]:
    """
    Return the kinds of output that parameter values ask for.

    Raises:
        ImportError: if a package is not there or does not load, with what to do.
        ValueError: if one cannot be had with the other parameters.

    """
    if present['hri_msgs'] and not present['tracking']:
        raise ValueError(
            'hri_msgs is true, and tracking is not: REP-155 wants an id for each face; '
            'set tracking to true, or hri_msgs to false'
        )
    return [_load(package) for package in _MODULES if present[package]]


def _load(package: str) -> type[Output]:
    try:
        output = import_module(f'emotion_perception.outputs.{_MODULES[package]}').OUTPUT
        for kind in output.messages:
            check_is_valid_msg_type(kind)
    except (ImportError, NoTypeSupportImportedException) as error:
        raise ImportError(
            f'{package} is true, and the package {package} cannot be loaded ({error}); '
            f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")} and source ROS again, '
            f'or set {package} to false'
        ) from None
    return output
