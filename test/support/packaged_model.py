# SPDX-License-Identifier: Apache-2.0
"""Copies of the packaged model, to be damaged or renamed."""

import shutil

from emotion_perception.classification import DEFAULT_MODEL


def copy_packaged_model(path):
    """Copy the packaged model and its json to another path, which is returned."""
    shutil.copyfile(DEFAULT_MODEL, path)
    shutil.copyfile(DEFAULT_MODEL.with_suffix('.json'), path.with_suffix('.json'))
    return path
