# SPDX-License-Identifier: Apache-2.0
"""Start the example camera, the emotion node and the example behavior."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory('emotion_perception')


def generate_launch_description() -> LaunchDescription:
    """Include the node's launch file, which also sets the Fast DDS profile for images."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'camera',
                default_value='portrait',
                description='number or path of a camera, or path of a video or image',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='namespace of all three nodes'
            ),
            DeclareLaunchArgument(
                'rate_hz', default_value='30.0', description='images per second'
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    os.path.join(SHARE, 'launch', 'emotion_perception.launch.py')
                )
            ),
            Node(
                package='emotion_perception',
                executable='camera_node',
                name='camera',
                namespace=LaunchConfiguration('namespace'),
                parameters=[
                    {
                        'source': ParameterValue(LaunchConfiguration('camera'), value_type=str),
                        'rate_hz': ParameterValue(
                            LaunchConfiguration('rate_hz'), value_type=float
                        ),
                    }
                ],
                output='screen',
            ),
            Node(
                package='emotion_perception',
                executable='behavior_node',
                name='behavior',
                namespace=LaunchConfiguration('namespace'),
                output='screen',
            ),
        ]
    )
