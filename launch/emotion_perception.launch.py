# SPDX-License-Identifier: Apache-2.0
"""Start the emotion node on a camera's topic, configure and activate it."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

SHARE = get_package_share_directory('emotion_perception')
# the name of the variable differs between Fast DDS 3 (Kilted) and Fast DDS 2 (Jazzy)
OLD_FAST_DDS = os.environ.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
PROFILE_VARIABLE = f'{"FASTRTPS" if OLD_FAST_DDS else "FASTDDS"}_DEFAULT_PROFILES_FILE'

# Parameters that override the parameter file where they are given.
OVERRIDES = {
    'image_transport': 'auto, raw or compressed',
    'detector': 'blazeface, yunet or haar',
    'detector_model': "path of the detector's model; yunet: face_detection_yunet_2023mar.onnx",
    'rotate': 'clockwise rotation of the images in degrees: 0, 90, 180 or 270',
    'model': 'path of a classifier (.tflite with its json, .keras or .h5)',
}
ARGUMENTS = {
    'image_topic': ('image', "the camera's image topic, raw or compressed"),
    'namespace': ('', 'namespace of the node and its topics'),
    'params_file': (
        os.path.join(SHARE, 'config', 'emotion_perception.yaml'),
        'parameter file',
    ),
    'autostart': (
        'true',
        'configure and activate the node; false leaves it to a lifecycle manager',
    ),
    'log_level': ('info', 'log level: debug, info, warn, error or fatal'),
    'large_data': (
        'true',
        'use the Fast DDS profile with enough shared memory for images; the camera needs it too',
    ),
}
YES, NO = ('true', 'True', '1', 'yes'), ('false', 'False', '0', 'no')
CHOICES = {'autostart': (*YES, *NO)}


def make_node(context: LaunchContext) -> list[LifecycleNode]:
    """Return the node for the given launch arguments."""
    given = {name: LaunchConfiguration(name).perform(context) for name in (*OVERRIDES, *ARGUMENTS)}
    overrides: dict[str, str | int] = {name: given[name] for name in OVERRIDES if given[name]}
    if 'rotate' in overrides:
        overrides['rotate'] = int(overrides['rotate'])
    return [
        LifecycleNode(
            package='emotion_perception',
            executable='emotion_node',
            name='emotion_perception',
            namespace=given['namespace'],
            parameters=[
                given['params_file'],
                {**overrides, 'autostart': given['autostart'] in YES},
            ],
            remappings=[('image', given['image_topic'])],
            arguments=['--ros-args', '--log-level', given['log_level']],
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, set the Fast DDS profile and start the node."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value=default, description=text, choices=CHOICES.get(name)
                )
                for name, (default, text) in ARGUMENTS.items()
            ),
            *(
                DeclareLaunchArgument(
                    name, default_value='', description=f'{text}; empty: as in params_file'
                )
                for name, text in OVERRIDES.items()
            ),
            SetEnvironmentVariable(
                PROFILE_VARIABLE,
                os.environ.get(
                    PROFILE_VARIABLE, os.path.join(SHARE, 'config', 'fastdds_images.xml')
                ),
                condition=IfCondition(LaunchConfiguration('large_data')),
            ),
            OpaqueFunction(function=make_node),
        ]
    )
