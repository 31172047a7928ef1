# SPDX-License-Identifier: Apache-2.0
"""Copies of this checkout, like a fresh clone, and the environment of a fresh shell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path):
    """Return a folder with the project's files, without anything that was built."""
    listed = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    folder = tmp_path / 'src' / 'emotion_perception'
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope='session')
def clean_environment():
    """Return this environment without what env.sh and make add."""
    added = (
        'AMENT', 'CMAKE', 'COLCON', 'FASTDDS', 'FASTRTPS', 'LD_LIBRARY_PATH', 'MAKE', 'MFLAGS',
        'PYTHONPATH', 'ROS', 'VIRTUAL', '_ROS_WHEELS',
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith(added)}
    folders = kept['PATH'].split(os.pathsep)
    return kept | {'PATH': os.pathsep.join(path for path in folders if str(ROOT) not in path)}
