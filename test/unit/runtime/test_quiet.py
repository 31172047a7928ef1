# SPDX-License-Identifier: Apache-2.0
"""Stderr is hidden while a block is open, also with several threads."""

import os

from emotion_perception.runtime.quiet import without_library_notes


def test_blocks_of_two_threads_that_overlap(capfd):
    first, second = without_library_notes(), without_library_notes()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    os.write(2, b'hidden')
    second.__exit__(None, None, None)
    os.write(2, b'shown')
    assert capfd.readouterr().err == 'shown'
