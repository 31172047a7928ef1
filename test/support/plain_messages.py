# SPDX-License-Identifier: Apache-2.0
"""ROS messages as plain values."""


def plain(value):
    """Return an rclpy message as dicts, lists and numbers."""
    if hasattr(value, 'get_fields_and_field_types'):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, str | int | float):
        return value
    return [plain(item) for item in value] if hasattr(value, '__iter__') else value.item()
