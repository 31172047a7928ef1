# SPDX-License-Identifier: Apache-2.0
"""Checks of Python and the libraries: installed, loadable, in versions that work together."""

import importlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, Check, CheckResult

PYTHON_VERSIONS = ((3, 11), (3, 13))
"""Lowest supported version, and the first one that is not tested."""


class Library(NamedTuple):
    """
    A library that the node uses.

    Attributes:
        name: as people call it.
        module: to import.
        lowest: lowest version that works.
        untested: first version that is not tested.
        advice: how to install it.
        without: what happens if it is missing; empty if nothing works then.

    """

    name: str
    module: str
    lowest: tuple[int, int]
    untested: tuple[int, int]
    advice: str
    without: str = ''


_ROSDEP = 'rosdep install --from-paths src --ignore-src -y   (without ROS: pip install'

LIBRARIES = (
    Library('NumPy', 'numpy', (1, 26), (2, 5), f'{_ROSDEP} "numpy>=1.26,<2.5")'),
    Library('OpenCV', 'cv2', (4, 6), (5, 1), f'{_ROSDEP} "opencv-python-headless>=4.6,<5")'),
    Library(
        'LiteRT', 'ai_edge_litert.interpreter', (2, 1), (3, 0),
        'python3 -m pip install -c keep.txt "ai-edge-litert>=2.1,<3"   '
        '(keep.txt: README, "On a robot")',
        'OpenCV runs the networks, which is slower',
    ),
)  # fmt: skip


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(part) for part in re.findall(r'\d+', version)[:2])


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> CheckResult:
    """Check the version of the interpreter."""
    text = '.'.join(map(str, version))
    values = {'version': text, 'executable': sys.executable}
    lowest, untested = PYTHON_VERSIONS
    if version[:2] < lowest:
        return CheckResult('Python', PROBLEM, text, 'use Python 3.11 or 3.12', values)
    if version[:2] >= untested:
        text = f'{text}; only 3.11 and 3.12 are tested'
        return CheckResult('Python', WARNING, text, '', values)
    return CheckResult('Python', OK, text, '', values)


def check_library(library: Library) -> CheckResult:
    """Import a library and check its version."""
    try:
        module = importlib.import_module(library.module)
    except Exception as error:
        # a broken installation raises anything: missing symbols, another NumPy, ...
        package = library.module.partition('.')[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        text = 'is not installed' if missing else f'cannot be loaded: {_first_line(error)}'
        if library.without:
            text = f'{text}: {library.without}'
            return CheckResult(library.name, WARNING, text, library.advice)
        return CheckResult(library.name, PROBLEM, text, library.advice)
    version = _version(library, module)
    values: dict[str, Any] = {'version': version}
    if version_numbers(version) < library.lowest:
        text = f'{version} is too old: {_dotted(library.lowest)} is needed'
        return CheckResult(library.name, PROBLEM, text, library.advice, values)
    if library.module == 'cv2' and (result := _check_opencv(library, module, values)):
        return result
    if version_numbers(version) >= library.untested:
        text = f'{version}; {_dotted(library.untested)} and newer are not tested'
        return CheckResult(library.name, WARNING, text, library.advice, values)
    return CheckResult(library.name, OK, version, '', values)


def software_checks() -> Iterator[Check]:
    """Yield the checks of this module."""
    yield 'Python', check_python
    for library in LIBRARIES:
        yield library.name, partial(check_library, library)


def _check_opencv(library: Library, cv2: Any, values: dict[str, Any]) -> CheckResult | None:
    """Return what is wrong with OpenCV: it does not fit NumPy, or is installed twice."""
    import numpy as np

    version = values['version']
    try:
        mean = cv2.resize(np.full((4, 4, 3), 7, np.uint8), (2, 2)).mean()
        error = '' if mean == 7 else f'the mean of an image of 7 is {mean}'
    except (cv2.error, SystemError, TypeError, ValueError) as exception:
        error = _first_line(exception)
    if error:
        text = f'{version} does not work with NumPy {np.__version__}: {error}'
        advice = 'install NumPy and OpenCV from the same place: both from apt, or both from pip'
        return CheckResult(library.name, PROBLEM, text, advice, values)
    distributions = sorted(set(metadata.packages_distributions().get('cv2', ())))
    values['distributions'] = distributions
    if len(distributions) < 2:
        return None
    text = f'{version}, installed by {" and ".join(distributions)}, which overwrite each other'
    advice = (
        f'python3 -m pip uninstall -y {" ".join(distributions)} && '
        f'python3 -m pip install {distributions[-1]}'
    )
    return CheckResult(library.name, WARNING, text, advice, values)


def _version(library: Library, module: Any) -> str:
    if hasattr(module, '__version__'):
        return str(module.__version__)
    try:
        return metadata.version(library.module.partition('.')[0])
    except metadata.PackageNotFoundError:
        return '0'


def _dotted(version: tuple[int, ...]) -> str:
    return '.'.join(map(str, version))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else "no message"}'
