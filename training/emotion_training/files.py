# SPDX-License-Identifier: Apache-2.0
"""Files and folders of a training, which appear complete or not at all."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from emotion_perception.files import whole_output
from emotion_training.data.fer2013 import DatasetError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """
    Yield a temporary folder that is renamed to `out` when the block succeeds; see `whole_output`.

    Raises:
        DatasetError: if `out` exists, or writing fails, for example on a full disk.

    """
    try:
        with whole_output(out) as partial:
            partial.mkdir()
            yield partial
    except OSError as error:
        if error.errno is None:  # the text of `whole_output`
            raise DatasetError(str(error)) from None
        advice = '; free some space and run the same command again'
        raise DatasetError(
            f'{out} cannot be written: {error.strerror}; nothing of it was kept'
            f'{advice if error.errno in _NO_SPACE else ""}'
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """Yield a text stream whose content replaces `path` when the block succeeds."""
    with (
        whole_output(path, replace=True) as partial,
        partial.open('w', newline='', encoding='utf-8') as stream,
    ):
        yield stream


def write_json(path: Path, values: Any) -> None:
    """Write `values` as indented JSON; see `atomic_file`."""
    with atomic_file(path) as stream:
        stream.write(json.dumps(values, indent=1) + '\n')
