"""Where ROS keeps its log files, and whether it can: a robot without a home folder or disk space must still run."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

NO_LOG_FILES = ('--ros-args', '--disable-external-lib-logs')
"""Arguments that keep ROS from opening a log file; what it says still goes to the console."""


def log_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder that ROS chooses (rcl_logging: ROS_LOG_DIR, ROS_HOME, HOME); None without a home."""
    if environment.get('ROS_LOG_DIR'):
        named = environment['ROS_LOG_DIR']
    else:
        named = f'{environment.get("ROS_HOME") or "~/.ros"}/log'
    if not named.startswith('~'):
        return Path(named)
    home = environment.get('HOME')
    return Path(home + named[1:]) if home else None


def why_no_log_files(environment: Mapping[str, str] = os.environ) -> str:
    """Return why ROS cannot keep log files here, empty where it can; makes the folder as ROS would."""
    folder = log_folder(environment)
    if folder is None:
        return 'there is no home folder (HOME) and no ROS_LOG_DIR'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b'x')
    except OSError as error:
        return f'{folder} cannot be written ({error.strerror})'
    return ''
