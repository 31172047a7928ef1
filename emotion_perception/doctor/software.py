"""Python and the libraries: are they here, do they load, do their versions fit."""

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

PYTHON = ((3, 11), (3, 13))
"""Lowest version that runs it, and the first one that nobody tried."""


@dataclass(frozen=True)
class Library:
    """
    A library that everything needs.

    Attributes:
        name: for people.
        module: to import.
        distribution: name on the package index; empty where several bring the module.
        lowest: version that it works with.
        untried: first version that it was not tried with.
        install: command that brings it.

    """

    name: str
    module: str
    distribution: str
    lowest: tuple[int, int]
    untried: tuple[int, int]
    install: str


LIBRARIES = (
    Library(
        'NumPy', 'numpy', 'numpy', (1, 26), (2, 5),
        'rosdep install --from-paths src --ignore-src -y   (or python3-numpy; without ROS: pip install "numpy>=1.26,<2.5")',
    ),
    Library(
        'OpenCV', 'cv2', '', (4, 6), (5, 1),
        'rosdep install --from-paths src --ignore-src -y   '
        '(or python3-opencv; without ROS: pip install "opencv-python-headless>=4.6,<5")',
    ),
    Library(
        'LiteRT', 'ai_edge_litert.interpreter', 'ai-edge-litert', (2, 1), (3, 0),
        'python3 -m pip install -c keep.txt "ai-edge-litert>=2.1,<3"   (keep.txt: README, "On a robot")',
    ),
)  # fmt: skip


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(part) for part in re.findall(r'\d+', version)[:2])


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> CheckResult:
    """Look at the interpreter."""
    text = '.'.join(map(str, version))
    values = {'version': text, 'executable': sys.executable}
    lowest, untried = PYTHON
    if version[:2] < lowest:
        return CheckResult('Python', PROBLEM, text, 'Python 3.11 or 3.12 is needed', values)
    if version[:2] >= untried:
        return CheckResult('Python', WARNING, f'{text}; tried are 3.11 and 3.12', '', values)
    return CheckResult('Python', OK, text, '', values)


def check_library(library: Library) -> CheckResult:
    """Import one library and look at its version."""
    try:
        module = importlib.import_module(library.module)
    except Exception as error:
        # whatever a broken installation raises: a missing symbol and a wrong NumPy come as many kinds
        missing = (
            isinstance(error, ModuleNotFoundError)
            and error.name == library.module.partition('.')[0]
        )
        text = 'is not installed' if missing else f'cannot be loaded: {_first_line(error)}'
        return CheckResult(library.name, PROBLEM, text, library.install)
    version = _version(library, module)
    values = {'version': version}
    if numbers(version) < library.lowest:
        return CheckResult(
            library.name, PROBLEM, f'{version} is too old: {_dotted(library.lowest)} is needed',
            library.install, values,
        )  # fmt: skip
    if library.module == 'cv2':
        return _check_opencv(library, module, version)
    if numbers(version) >= library.untried:
        return _untried(library, version)
    return CheckResult(library.name, OK, version, '', values)


def check_software() -> Iterator[Check]:
    """Return name and check of everything in this module."""
    yield 'Python', check_python
    for library in LIBRARIES:
        yield library.name, partial(check_library, library)


def _check_opencv(library: Library, cv2: Any, version: str) -> CheckResult:
    """Look whether OpenCV and NumPy fit, and whether several OpenCVs lie over one another."""
    import numpy as np

    values: dict[str, Any] = {'version': version}
    try:
        mean = cv2.resize(np.full((4, 4, 3), 7, np.uint8), (2, 2)).mean()
    except (cv2.error, SystemError, TypeError, ValueError) as error:
        return CheckResult(
            library.name, PROBLEM, f'{version} does not work with NumPy {np.__version__}: {_first_line(error)}',
            'install NumPy and OpenCV from the same place: both from apt, or both from pip', values,
        )  # fmt: skip
    if mean != 7:
        text = f'{version} computes wrongly with NumPy {np.__version__}'
        return CheckResult(library.name, PROBLEM, text, library.install, values)
    brought = sorted(set(metadata.packages_distributions().get('cv2', ())))
    values['distributions'] = brought
    if len(brought) > 1:
        return CheckResult(
            library.name, WARNING, f'{version}, brought by {" and ".join(brought)}, which write over each other',
            f'python3 -m pip uninstall -y {" ".join(brought)} && python3 -m pip install {brought[-1]}', values,
        )  # fmt: skip
    if numbers(version) >= library.untried:
        return _untried(library, version)
    return CheckResult(library.name, OK, version, '', values)


def _untried(library: Library, version: str) -> CheckResult:
    text = f'{version}; nobody tried {_dotted(library.untried)} or newer'
    return CheckResult(library.name, WARNING, text, library.install, {'version': version})


def _version(library: Library, module: Any) -> str:
    if hasattr(module, '__version__'):
        return str(module.__version__)
    try:
        return metadata.version(library.distribution)
    except metadata.PackageNotFoundError:
        return '0'


def _dotted(version: tuple[int, ...]) -> str:
    return '.'.join(map(str, version))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else "no message"}'
