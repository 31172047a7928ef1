# SPDX-License-Identifier: Apache-2.0
"""Start an emotion node for each camera that one yaml file lists."""

import os
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

SHARE = get_package_share_directory('emotion_perception')
NODE = os.path.join(SHARE, 'launch', 'emotion_perception.launch.py')
EXAMPLE = os.path.join(SHARE, 'config', 'cameras.yaml')


def read_cameras(path: str, known: set[str]) -> dict[str, dict[str, str]]:
    """
    Return the launch arguments of each camera by its namespace.

    Args:
        path: of the yaml file.
        known: names of the arguments of the node's launch file.

    Raises:
        ValueError: if the file is something else, with what is wrong.

    """
    content = yaml.safe_load(Path(path).read_text())
    if not isinstance(content, dict) or not content:
        raise ValueError(f'{path} lists no cameras; {EXAMPLE} is an example')
    cameras = {}
    for namespace, arguments in content.items():
        if not isinstance(arguments, dict) or 'image_topic' not in arguments:
            raise ValueError(f'{path}: the camera {namespace} has no image_topic')
        if unknown := set(arguments) - known:
            raise ValueError(
                f'{path}: the camera {namespace} has {", ".join(sorted(map(str, unknown)))}; '
                f'known are {", ".join(sorted(known))}'
            )
        cameras[str(namespace)] = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in arguments.items()
        }
    return cameras


def include_nodes(context: LaunchContext) -> list[GroupAction]:
    """Return the node's launch file once for each camera, in a scope of its own."""
    source = PythonLaunchDescriptionSource(NODE)
    arguments = source.get_launch_description(context).get_launch_arguments()
    known = {argument.name for argument in arguments} - {'namespace'}
    cameras = read_cameras(LaunchConfiguration('cameras_file').perform(context), known)
    return [
        GroupAction(
            [
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(NODE),
                    launch_arguments={'namespace': namespace, **given}.items(),
                )
            ]
        )
        for namespace, given in cameras.items()
    ]


def generate_launch_description() -> LaunchDescription:
    """Declare the argument and start the nodes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras_file',
                default_value=EXAMPLE,
                description='yaml file: namespace of each camera, then its launch arguments',
            ),
            OpaqueFunction(function=include_nodes),
        ]
    )
