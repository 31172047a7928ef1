"""Python and libraries: present, missing, broken, too old, too new."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotion_perception.doctor import software
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.software import (
    LIBRARIES,
    check_library,
    check_python,
    check_software,
    numbers,
)

REQUIREMENTS = Path(__file__).parents[3] / 'bootstrap' / 'requirements-runtime.txt'
NUMPY, OPENCV, LITERT = LIBRARIES


def pretend(monkeypatch, library, **contents):
    """Let a library be a module with these contents."""
    monkeypatch.setitem(sys.modules, library.module, SimpleNamespace(**contents))


def test_this_environment_is_healthy():
    found = {name: check() for name, check in check_software()}
    assert list(found) == ['Python', 'NumPy', 'OpenCV', 'LiteRT']
    assert {finding.status for finding in found.values()} <= {OK, WARNING}
    assert all(numbers(finding.values['version']) > (0, 0) for finding in found.values())


@pytest.mark.parametrize(
    ('version', 'status'),
    [((3, 10, 9), PROBLEM), ((3, 11, 0), OK), ((3, 12, 3), OK), ((3, 13, 0), WARNING)],
)
def test_python(version, status):
    finding = check_python(version)
    assert finding.status == status
    assert '.'.join(map(str, version)) in finding.text
    assert bool(finding.do) == (status == PROBLEM)


@pytest.mark.parametrize('library', LIBRARIES, ids=lambda library: library.name)
def test_the_lowest_versions_are_those_of_the_requirements(library):
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith('#')]
    name = library.distribution or 'opencv-python-headless'
    (line,) = [line for line in lines if re.split('[<>=]', line)[0] == name]
    assert f'>={".".join(map(str, library.lowest))}' in line


@pytest.mark.parametrize('library', LIBRARIES, ids=lambda library: library.name)
def test_one_that_is_missing(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library.module.partition('.')[0], None)
    monkeypatch.delitem(sys.modules, library.module, raising=False)
    monkeypatch.setitem(sys.modules, library.module, None)
    finding = check_library(library)
    assert finding.status == PROBLEM
    assert 'not installed' in finding.text or 'cannot be loaded' in finding.text
    assert finding.do == library.install


def test_one_that_is_not_installed_at_all():
    finding = check_library(replace(NUMPY, module='a_library_that_nobody_has'))
    assert (finding.status, finding.text) == (PROBLEM, 'is not installed')


def test_one_that_does_not_load(monkeypatch, tmp_path):
    (tmp_path / 'broken_library.py').write_text('raise ImportError("undefined symbol: PyArray_X")')
    monkeypatch.syspath_prepend(tmp_path)
    finding = check_library(replace(NUMPY, module='broken_library'))
    assert finding.status == PROBLEM
    assert finding.text == 'cannot be loaded: ImportError: undefined symbol: PyArray_X'


@pytest.mark.parametrize(
    ('version', 'status', 'text'),
    [
        ('1.24.4', PROBLEM, 'too old: 1.26 is needed'),
        ('1.26.0', OK, '1.26.0'),
        ('2.4.6', OK, '2.4.6'),
        ('2.5.0rc1', WARNING, 'nobody tried 2.5'),
        ('3.0.0', WARNING, 'nobody tried 2.5'),
    ],
)
def test_versions_of_numpy(monkeypatch, version, status, text):
    pretend(monkeypatch, NUMPY, __version__=version)
    finding = check_library(NUMPY)
    assert finding.status == status
    assert text in finding.text
    assert finding.values == {'version': version}


def test_opencv_that_does_not_fit_numpy(monkeypatch):
    def resize(*_):
        raise TypeError('Expected Ptr<cv::UMat> for argument src')

    pretend(monkeypatch, OPENCV, __version__='4.6.0', resize=resize, error=RuntimeError)
    finding = check_library(OPENCV)
    assert finding.status == PROBLEM
    assert '4.6.0 does not work with NumPy' in finding.text
    assert 'from the same place' in finding.do


def test_two_opencvs_over_each_other(monkeypatch):
    two = ['opencv-python-headless', 'opencv-contrib-python']
    monkeypatch.setattr(software.metadata, 'packages_distributions', lambda: {'cv2': two})
    finding = check_library(OPENCV)
    assert finding.status == WARNING
    assert 'opencv-contrib-python and opencv-python-headless, which write over' in finding.text
    assert finding.do.startswith('python3 -m pip uninstall -y opencv-contrib-python opencv-')
