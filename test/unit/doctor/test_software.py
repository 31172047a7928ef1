# SPDX-License-Identifier: Apache-2.0
"""Checks of Python and libraries: missing, broken, too old, not tested."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotion_perception.doctor import software
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.software import (
    LIBRARIES,
    check_library,
    check_python,
    software_checks,
    version_numbers,
)

REQUIREMENTS = Path(__file__).parents[3] / 'bootstrap' / 'requirements-runtime.txt'
NUMPY, OPENCV, LITERT = LIBRARIES


def test_environment_of_the_tests():
    results = {name: check() for name, check in software_checks()}
    assert list(results) == ['Python', 'NumPy', 'OpenCV', 'LiteRT']
    assert {result.status for result in results.values()} <= {OK, WARNING}
    assert all(version_numbers(r.values['version']) > (0, 0) for r in results.values())


def test_versions_are_those_of_the_requirements():
    lines = re.findall(r'^[\w-]+>=([\d.]+)', REQUIREMENTS.read_text(), re.MULTILINE)
    lowest = {version_numbers(line) for line in lines}
    assert {library.lowest for library in LIBRARIES} == lowest


@pytest.mark.parametrize(
    ('version', 'status'),
    [((3, 10, 9), PROBLEM), ((3, 11, 0), OK), ((3, 12, 3), OK), ((3, 13, 0), WARNING)],
)
def test_python(version, status):
    result = check_python(version)
    assert result.status == status
    assert '.'.join(map(str, version)) in result.text
    assert bool(result.advice) == (status == PROBLEM)


def test_library_that_is_missing():
    result = check_library(NUMPY._replace(module='not_a_library'))
    assert (result.status, result.text) == (PROBLEM, 'is not installed')
    assert result.advice == NUMPY.advice


def test_library_that_cannot_be_loaded(monkeypatch, tmp_path):
    (tmp_path / 'broken_library.py').write_text('raise ImportError("undefined symbol: PyArray_X")')
    monkeypatch.syspath_prepend(tmp_path)
    result = check_library(NUMPY._replace(module='broken_library'))
    assert result.status == PROBLEM
    assert result.text == 'cannot be loaded: ImportError: undefined symbol: PyArray_X'


@pytest.mark.parametrize(
    ('version', 'status', 'text'),
    [
        ('1.24.4', PROBLEM, 'too old: 1.26 is needed'),
        ('1.26.0', OK, '1.26.0'),
        ('2.4.6', OK, '2.4.6'),
        ('2.5.0rc1', WARNING, '2.5 and newer are not tested'),
        ('3.0.0', WARNING, '2.5 and newer are not tested'),
    ],
)
def test_versions_of_numpy(monkeypatch, version, status, text):
    monkeypatch.setitem(sys.modules, 'numpy', SimpleNamespace(__version__=version))
    result = check_library(NUMPY)
    assert (result.status, result.values) == (status, {'version': version})
    assert text in result.text


def test_opencv_that_does_not_fit_numpy(monkeypatch):
    def resize(*_):
        raise TypeError('Expected Ptr<cv::UMat> for argument src')

    opencv = SimpleNamespace(__version__='4.6.0', resize=resize, error=RuntimeError)
    monkeypatch.setitem(sys.modules, 'cv2', opencv)
    result = check_library(OPENCV)
    assert result.status == PROBLEM
    assert '4.6.0 does not work with NumPy' in result.text
    assert 'from the same place' in result.advice


def test_opencv_that_is_installed_twice(monkeypatch):
    twice = {'cv2': ['opencv-python-headless', 'opencv-contrib-python']}
    monkeypatch.setattr(software.metadata, 'packages_distributions', lambda: twice)
    result = check_library(OPENCV)
    assert result.status == WARNING
    assert 'opencv-contrib-python and opencv-python-headless, which overwrite' in result.text
    assert result.advice.startswith('python3 -m pip uninstall -y opencv-contrib-python opencv-')
