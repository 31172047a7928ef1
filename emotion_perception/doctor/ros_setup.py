"""ROS 2 itself, the built messages, the log folder and how images travel between processes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

TYPE_HASHES = {
    'emotion_msgs/msg/Emotion': 'RIHS01_09c0a39513fc2a575bcd6e15f3b400fe61560904a24f32aa182d23136a9d5ebc',
    'emotion_msgs/msg/EmotionArray': 'RIHS01_491a0bd893ba01905443bbefd8a2564956e7b8a920e0679f07890d28ab928010',
    'emotion_msgs/srv/ClassifyFaces': 'RIHS01_2d970357daa197d81e9c52116dfb9ef380815004e69dbec31f287defc77a17a8',
}
"""Of the messages that this version speaks; one who listens with others hears nothing."""

_LOADING_S = 20.0
PROFILE = 'fastdds_images.xml'
_SOURCE = 'source /opt/ros/$ROS_DISTRO/setup.bash and the workspace (in a clone: source env.sh)'
_BUILD = (
    'in a workspace: ln -s emotion_perception/emotion_msgs src/emotion_msgs && colcon build && '
    '. install/setup.bash; in a clone: make setup && source env.sh'
)


def check_ros() -> CheckResult:
    """Look whether rclpy is here and loads."""
    middleware = os.environ.get('RMW_IMPLEMENTATION')
    if middleware and (trouble := _why_not_with(middleware)):
        text = f'does not load with RMW_IMPLEMENTATION={middleware}: {trouble}'
        do = f'unset RMW_IMPLEMENTATION, or install ros-$ROS_DISTRO-{middleware.replace("_", "-")}'
        return CheckResult('rclpy', PROBLEM, text, do)
    try:
        import rclpy
        from rclpy.impl.implementation_singleton import rclpy_implementation
    except ImportError as error:
        return CheckResult('rclpy', PROBLEM, f'cannot be imported: {error}', _SOURCE)
    try:
        version = metadata.version('rclpy')
    except metadata.PackageNotFoundError:
        version = 'of unknown version'
    distribution = os.environ.get('ROS_DISTRO', '')
    values = {'version': version, 'distribution': distribution, 'path': rclpy.__file__}
    del rclpy_implementation
    return CheckResult('rclpy', OK, f'{version} {distribution}'.strip(), '', values)


def _why_not_with(middleware: str) -> str:
    """Return why rclpy does not load, empty where it does: with the wrong middleware it ends its process."""
    code = 'from rclpy.impl.implementation_singleton import rclpy_implementation'
    command = [sys.executable, '-c', code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LOADING_S)
    except subprocess.TimeoutExpired:
        return f'not within {_LOADING_S:g} s'
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f'exit code {done.returncode}') if done.returncode else ''


def check_messages() -> CheckResult:
    """Look whether emotion_msgs is built, sourced, loads and is the one this version speaks."""
    try:
        from rclpy.serialization import serialize_message

        from emotion_msgs.msg import Emotion, EmotionArray

        serialize_message(EmotionArray(faces=[Emotion()]))
    except ImportError as error:
        return CheckResult('emotion_msgs', PROBLEM, f'not built or not sourced: {error}', _BUILD)
    except Exception as error:
        # rclpy raises its own kinds where the built library does not fit this Python or ROS
        text = f'was built for another Python or ROS: {type(error).__name__}: {error}'
        return CheckResult('emotion_msgs', PROBLEM, text, f'build it again; {_BUILD}')
    found = {name: _built_hash(name) for name in TYPE_HASHES}
    unknown = [name for name, built in found.items() if built is None]
    if unknown:
        text = f'can be imported, but its definitions ({", ".join(unknown)}) are not where AMENT_PREFIX_PATH points'
        return CheckResult('emotion_msgs', WARNING, text, _SOURCE, {'hashes': found})
    other = [name for name, built in found.items() if built != TYPE_HASHES[name]]
    if other:
        text = f'is of another version: {", ".join(other)} differ from what this one speaks'
        return CheckResult(
            'emotion_msgs', PROBLEM, text, f'build it again; {_BUILD}', {'hashes': found}
        )
    return CheckResult('emotion_msgs', OK, 'built, and of this version', '', {'hashes': found})


def _without_ros() -> CheckResult:
    return CheckResult('emotion_msgs', WARNING, 'cannot be looked at without rclpy')


def check_log_folder(environment: Mapping[str, str] = os.environ) -> CheckResult:
    """Check that ROS can write its log files (rcl_logging: ROS_LOG_DIR, ROS_HOME, HOME)."""
    home = environment.get('ROS_HOME') or f'{environment.get("HOME", "")}/.ros'
    folder = Path(environment.get('ROS_LOG_DIR') or f'{home}/log')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b'x')
    except OSError as error:
        do = 'export ROS_LOG_DIR=<a writable folder>; no node can start without one'
        return CheckResult('log files', PROBLEM, f'{folder}: {error.strerror}', do)
    return CheckResult('log files', OK, f'in {folder}')


def own_profile() -> Path:
    """Return this package's Fast DDS profile: the installed one, or the one of the clone."""
    try:
        from ament_index_python.packages import get_package_share_directory

        path = Path(get_package_share_directory('emotion_perception')) / 'config' / PROFILE
        if path.is_file():
            return path
    except (ImportError, LookupError):
        pass
    return Path(__file__).parents[2] / 'config' / PROFILE


def profile_variable(environment: Mapping[str, str] = os.environ) -> str:
    """Return the variable that names the profile: Fast DDS 2 (Jazzy) and 3 (Kilted) differ."""
    old = environment.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
    return f'{"FASTRTPS" if old else "FASTDDS"}_DEFAULT_PROFILES_FILE'


def export_command(environment: Mapping[str, str] = os.environ) -> str:
    """Return the command that sets it."""
    return f'export {profile_variable(environment)}={own_profile()}'


def check_transport(middleware: str, environment: Mapping[str, str] = os.environ) -> CheckResult:
    """
    Look whether Fast DDS has room for images between processes.

    Args:
        middleware: what rclpy uses, such as rmw_fastrtps_cpp.
        environment: with the variables of Fast DDS.

    """
    variable, own = profile_variable(environment), own_profile()
    given, builtin = (
        environment.get(variable, ''),
        environment.get('FASTDDS_BUILTIN_TRANSPORTS', ''),
    )
    values = {'rmw': middleware, 'variable': variable, 'profile': given}
    mend = f'{export_command(environment)}   (in the shell of the camera driver too)'
    if 'fastrtps' not in middleware:
        return CheckResult('transport', OK, f'{middleware} needs no profile', '', values)
    if not given:
        if builtin.startswith('LARGE_DATA'):
            return CheckResult('transport', OK, f'{middleware} with {builtin}', '', values)
        text = f'{middleware}, and {variable} is not set: images between processes get lost'
        return CheckResult('transport', WARNING, text, mend, values)
    if not Path(given).is_file():
        text = f'{variable} names {given}, which is not there'
        return CheckResult('transport', PROBLEM, text, mend, values)
    if own.is_file() and Path(given).read_bytes() != own.read_bytes():
        text = f"{middleware} with a profile that is not this package's: {given}"
        return CheckResult(
            'transport', WARNING, text, f'see below whether it carries images; else {mend}', values
        )
    return CheckResult('transport', OK, f'{middleware} with room for images: {given}', '', values)


def _built_hash(name: str) -> str | None:
    """Return the hash of a type as it was built, None where that is not known."""
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    package, kind, short = name.split('/')
    try:
        path = Path(get_package_share_directory(package)) / kind / f'{short}.json'
        hashes = json.loads(path.read_text())['type_hashes']
    except (PackageNotFoundError, OSError, KeyError, ValueError):
        return None
    return next((row['hash_string'] for row in hashes if row['type_name'] == name), None)


def check_ros_setup() -> Iterator[Check]:
    """Return name and check of everything in this module but the transport."""
    ros = check_ros()
    yield 'rclpy', lambda: ros
    yield 'emotion_msgs', _without_ros if ros.status == PROBLEM else check_messages
    yield 'log files', check_log_folder
