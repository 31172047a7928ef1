# SPDX-License-Identifier: Apache-2.0
"""Benchmarks as on a processor with AVX2 and nothing newer."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import avx2_only

FEATURES = (
    'import json, numpy; '
    'found = numpy._core._multiarray_umath.__cpu_features__; '
    'print(json.dumps({name: found[name] for name in ("AVX2", "FMA3", "AVX512F", "AVX512VNNI")}))'
)


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    try:
        return avx2_only.build(tmp_path_factory.mktemp('avx2'))
    except RuntimeError as error:
        pytest.skip(f'nothing can be hidden here: {error}')


def features(**environment):
    python = [sys.executable, '-c', FEATURES]
    environment = os.environ | environment
    return json.loads(subprocess.check_output(python, env=environment, text=True))


def test_newer_instructions_are_hidden(library):
    """NumPy, and in it every library that asks the processor, finds none; the others stay."""
    before, hidden = features(), features(LD_PRELOAD=str(library))
    assert hidden == before | {'AVX512F': False, 'AVX512VNNI': False}


def test_other_faults_still_end_a_program(library):
    program = [sys.executable, '-c', 'import ctypes; ctypes.string_at(0)']
    environment = os.environ | {'LD_PRELOAD': str(library)}
    assert subprocess.run(program, env=environment, capture_output=True).returncode == -11


@pytest.mark.usefixtures('library')
def test_measuring_without_them(tmp_path):
    module = ['-m', 'benchmarks', '--avx2', '--quick', '--part', 'models', '--out', str(tmp_path)]
    subprocess.run([sys.executable, *module], check=True, capture_output=True)
    results = json.loads((tmp_path / 'results.json').read_text())
    assert results['machine']['hidden'] == 'AVX-512, VNNI and AMX'
    (model,) = results['models']
    assert model['file'] == 'models/expression_net.tflite'
    assert model['multiplications'] == 29_834_368
    assert 0.1 < model['yardsticks']['low'] <= model['yardsticks']['high'] < 10


def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(RuntimeError, match='cc is missing: apt install gcc'):
        avx2_only.build(tmp_path)
