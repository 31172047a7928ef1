# SPDX-License-Identifier: Apache-2.0
"""What the commands of `bag` print, one line each."""

import sys
from pathlib import Path

from emotion_perception.errors import one_line


def say(text: str) -> None:
    """Print a line of the result."""
    print(one_line(text))


def warn(text: str) -> None:
    """Print a line for the user."""
    print(one_line(text), file=sys.stderr)


def warn_of_remark(source: Path, remark: str) -> None:
    """Print why the metadata.yaml of a recording is not used, if it is not."""
    if remark:
        warn(f'note: {source}: {remark}; what its data files hold was read')
