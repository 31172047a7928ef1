# SPDX-License-Identifier: Apache-2.0
"""Open a network with LiteRT, or with OpenCV where LiteRT is missing."""

import os

from emotion_perception.runtime.litert import Network
from emotion_perception.runtime.opencv import OpenCVNetwork

RUNTIMES = ('LiteRT', 'OpenCV')
RUNTIME_VARIABLE = 'EMOTION_RUNTIME'
"""Environment variable that chooses one of `RUNTIMES`; empty takes the first that there is."""


AnyNetwork = Network | OpenCVNetwork


def open_network(model: bytes, name: str, threads: int = 1) -> AnyNetwork:
    """
    Load a network.

    Args:
        model: contents of a .tflite file.
        name: for error messages, usually the file's path.
        threads: in LiteRT; OpenCV's threads are set for the process, by `cv2.setNumThreads`.

    Raises:
        ImportError: if LiteRT is chosen by `RUNTIME_VARIABLE`, and cannot be loaded.
        ModelError: if `model` is not a LiteRT network that runs.
        ValueError: if `RUNTIME_VARIABLE` names no runtime.

    """
    if choose_runtime() == 'OpenCV':
        return OpenCVNetwork(model, name)
    return Network(model, name, threads)


def choose_runtime() -> str:
    """
    Return which of `RUNTIMES` runs the networks.

    Raises:
        ValueError: if `RUNTIME_VARIABLE` names none.

    """
    wanted = os.environ.get(RUNTIME_VARIABLE, '')
    if wanted:
        for runtime in RUNTIMES:
            if wanted.lower() == runtime.lower():
                return runtime
        raise ValueError(
            f'{RUNTIME_VARIABLE} is {wanted!r}; it may be empty, {" or ".join(RUNTIMES)}'
        )
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError:
        return 'OpenCV'
    return 'LiteRT'


def runtime_remark() -> str:
    """Return what its owner should know if OpenCV runs the networks; else an empty text."""
    if choose_runtime() != 'OpenCV':
        return ''
    if os.environ.get(RUNTIME_VARIABLE):
        return f'OpenCV runs the networks, which is slower than LiteRT: {RUNTIME_VARIABLE} is set'
    return (
        'LiteRT is missing: OpenCV runs the networks, which is slower; '
        'python3 -m pip install ai-edge-litert'
    )
