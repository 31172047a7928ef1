# SPDX-License-Identifier: Apache-2.0
"""Install the runtime: nodes, launch and parameter files, the model and the command line."""

from glob import glob

from setuptools import find_packages, setup

package_name = 'emotion_perception'

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={
        package_name: [
            'py.typed',
            'bag/*.html',
            'models/*.tflite',
            'models/*.json',
            'models/*.csv',
            'ros/live/*.html',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', glob('launch/*.launch.py')),
        (f'share/{package_name}/config', glob('config/*')),
    ],
    python_requires='>=3.11',
    install_requires=['setuptools'],
    extras_require={
        'archives': ['distributed>=2024.5', 'pyarrow>=16'],  # bag process --scheduler, --table
        'test': ['pytest'],
    },
    zip_safe=False,
    maintainer='emotion_perception maintainers',
    maintainer_email='maintainers@example.org',
    description="Publishes which expression each face in front of a robot's camera shows",
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'behavior_node = emotion_perception.ros.programs:behavior_node',
            'camera_node = emotion_perception.ros.programs:camera_node',
            'comforter = emotion_perception.ros.programs:comforter',
            'emotion_demo = emotion_perception.ros.programs:emotion_demo',
            'emotion-perception = emotion_perception.cli:main',
            'emotion_node = emotion_perception.ros.programs:emotion_node',
            'greeter = emotion_perception.ros.programs:greeter',
            'mirror = emotion_perception.ros.programs:mirror',
        ],
    },
)
