# SPDX-License-Identifier: Apache-2.0
"""Checks of ROS 2, the built messages, the log folder and the settings of Fast DDS."""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from errno import ENOENT
from importlib import metadata
from pathlib import Path

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

PROFILE = 'fastdds_images.xml'
_LOAD_TIMEOUT_S = 20.0
_SEGMENT_MB = 17
"""Shared memory of one process with that profile."""

_SOURCE = 'source /opt/ros/$ROS_DISTRO/setup.bash and the workspace (in a clone: source env.sh)'
_BUILD = (
    'in a workspace: ln -s emotion_perception/emotion_msgs src/emotion_msgs && colcon build && '
    '. install/setup.bash; in a clone: make setup && source env.sh'
)


def check_ros() -> CheckResult:
    """Check that rclpy can be imported."""
    middleware = os.environ.get('RMW_IMPLEMENTATION')
    if middleware and (error := _load_error()):
        text = f'does not load with RMW_IMPLEMENTATION={middleware}: {error}'
        package = f'ros-$ROS_DISTRO-{middleware.replace("_", "-")}'
        advice = f'unset RMW_IMPLEMENTATION, or install {package}'
        return CheckResult('rclpy', PROBLEM, text, advice)
    try:
        rclpy = importlib.import_module('rclpy')
        importlib.import_module('rclpy.impl.implementation_singleton')
    except ImportError as error:
        return CheckResult('rclpy', PROBLEM, f'cannot be imported: {error}', _SOURCE)
    try:
        version = metadata.version('rclpy')
    except metadata.PackageNotFoundError:
        version = 'unknown version'
    distribution = os.environ.get('ROS_DISTRO', '')
    values = {'version': version, 'distribution': distribution, 'path': rclpy.__file__}
    return CheckResult('rclpy', OK, f'{version} {distribution}'.strip(), '', values)


def _load_error() -> str:
    """Return why rclpy does not load, found in a child process: a missing middleware ends it."""
    command = [sys.executable, '-c', 'import rclpy.impl.implementation_singleton']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f'not within {_LOAD_TIMEOUT_S:g} s'
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f'exit code {done.returncode}') if done.returncode else ''


def check_messages() -> CheckResult:
    """Check that emotion_msgs is built for this ROS and sourced."""
    try:
        from rclpy.serialization import serialize_message

        from emotion_msgs.msg import Emotion, EmotionArray

        serialize_message(EmotionArray(faces=[Emotion()]))
        # a build of version 0.1 lacks this one
        from emotion_msgs.msg import PersonEvent

        serialize_message(PersonEvent())
    except ImportError as error:
        text = f'not built or not sourced: {error}'
        return CheckResult('emotion_msgs', PROBLEM, text, _BUILD)
    except Exception as error:
        # rclpy has its own exceptions for a library that does not fit this Python or ROS
        text = f'was built for another Python or ROS: {type(error).__name__}: {error}'
        return CheckResult('emotion_msgs', PROBLEM, text, f'build it again; {_BUILD}')
    return CheckResult('emotion_msgs', OK, 'built and sourced')


def check_log_folder(environment: Mapping[str, str] = os.environ) -> CheckResult:
    """Check that the log folder of ROS (by ROS_LOG_DIR, ROS_HOME or HOME) is writable."""
    home, ros_home = environment.get('HOME', ''), environment.get('ROS_HOME', '')
    folder = environment.get('ROS_LOG_DIR') or f'{ros_home or home + "/.ros"}/log'
    try:
        if folder == '/.ros/log':
            raise FileNotFoundError(ENOENT, 'HOME is not set')
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return CheckResult('log files', OK, f'in {folder}')
    except OSError as error:
        text = f'{folder} is not writable ({error.strerror}), and ROS does not start without it'
        return CheckResult('log files', PROBLEM, text, 'set ROS_LOG_DIR to a writable folder')


def check_shared_memory(folder: str = '/dev/shm') -> CheckResult:
    """Check that the shared memory has room for the segments of two more processes."""
    try:
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError as error:
        text = f'{folder} cannot be used ({error.strerror}): images between processes may be lost'
        return CheckResult('shared memory', WARNING, text)
    values = {'free_mb': round(free_mb, 1)}
    text = f'{free_mb:.0f} MB free in {folder}'
    if free_mb >= 2 * _SEGMENT_MB:
        return CheckResult('shared memory', OK, text, '', values)
    text += f'; each process with {PROFILE} needs {_SEGMENT_MB} MB'
    advice = (
        'run `fastdds shm clean`, which removes what killed processes left; '
        'in a container: docker run --shm-size=512m'
    )
    return CheckResult('shared memory', WARNING, text, advice, values)


def own_profile() -> Path:
    """Return the path of this package's Fast DDS profile, installed or in the clone."""
    try:
        from ament_index_python.packages import get_package_share_directory

        path = Path(get_package_share_directory('emotion_perception')) / 'config' / PROFILE
        if path.is_file():
            return path
    except (ImportError, LookupError):
        pass
    return Path(__file__).parents[2] / 'config' / PROFILE


def profile_variable(environment: Mapping[str, str] = os.environ) -> str:
    """Return the variable that names the profile, which differs in Fast DDS 2 (Jazzy) and 3."""
    fast_dds_2 = environment.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
    return f'{"FASTRTPS" if fast_dds_2 else "FASTDDS"}_DEFAULT_PROFILES_FILE'


def export_command(environment: Mapping[str, str] = os.environ) -> str:
    """Return the shell command that sets the profile."""
    return f'export {profile_variable(environment)}={own_profile()}'


def check_transport(middleware: str, environment: Mapping[str, str] = os.environ) -> CheckResult:
    """Check that Fast DDS is set up to carry images between processes."""
    variable, own = profile_variable(environment), own_profile()
    profile = environment.get(variable, '')
    transports = environment.get('FASTDDS_BUILTIN_TRANSPORTS', '')
    values = {'rmw': middleware, 'variable': variable, 'profile': profile}
    status, text = OK, f'{middleware} with room for images: {profile}'
    advice = f'{export_command(environment)}   (in the shell of the camera driver too)'
    if 'fastrtps' not in middleware:
        text = f'{middleware} needs no profile'
    elif not profile and transports.startswith('LARGE_DATA'):
        text = f'{middleware} with {transports}'
    elif not profile:
        status = WARNING
        text = f'{middleware}, and {variable} is not set: images between processes get lost'
    elif not Path(profile).is_file():
        status, text = PROBLEM, f'{variable} names {profile}, which does not exist'
    elif own.is_file() and Path(profile).read_bytes() != own.read_bytes():
        status, text = (
            WARNING,
            f"{middleware} with a profile that is not this package's: {profile}",
        )
        advice = f'see below whether it carries images; if not: {advice}'
    return CheckResult('transport', status, text, '' if status == OK else advice, values)


def ros_checks() -> Iterator[Check]:
    """Yield the checks of this module that need no running ROS."""
    ros = check_ros()
    yield 'rclpy', lambda: ros
    if ros.status == PROBLEM:
        text = 'not checked: it needs rclpy'
        yield 'emotion_msgs', lambda: CheckResult('emotion_msgs', WARNING, text)
    else:
        yield 'emotion_msgs', check_messages
    yield 'log files', check_log_folder
    yield 'shared memory', check_shared_memory
