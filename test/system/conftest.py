"""Copies of the checkout to build in, as a person's fresh clone would be."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path):
    """Return a folder with the project's files, without what was built in this one."""
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
    """Return this environment without what env.sh and make put there, as a fresh shell has it."""
    added = (
        'AMENT',
        'CMAKE',
        'COLCON',
        'FASTDDS',
        'FASTRTPS',
        'MAKE',
        'MFLAGS',
        'PYTHONPATH',
        'ROS',
        'VIRTUAL',
    )
    own = ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(added) and k not in own}
    kept['PATH'] = os.pathsep.join(p for p in kept['PATH'].split(os.pathsep) if str(ROOT) not in p)
    return kept
