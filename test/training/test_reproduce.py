# SPDX-License-Identifier: Apache-2.0
"""The chain of trainings that leads to the packaged model."""

import ast
import hashlib
import importlib
import re
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.runtime.metadata import read_metadata
from emotion_training import cli
from emotion_training.commands import reproduce
from emotion_training.commands.reproduce import STEPS
from emotion_training.train import config, configs
from emotion_training.train.config import load_config

ROOT = Path(__file__).parents[2]
TEACHER = ROOT / 'training' / 'teacher' / 'expression_full.tflite'


def test_each_step_uses_what_earlier_steps_made():
    made = set()
    for step in STEPS:
        assert {*step.teachers, *filter(None, [step.initial_weights])} <= made
        assert bool(step.teachers) == bool(load_config(step.recipe).distillation)
        made |= {step.recipe} | ({f'{step.recipe}.tflite'} if step.quantization else set())
    assert STEPS[-1].recipe == DEFAULT_MODEL.stem


@pytest.mark.parametrize('step', STEPS, ids=lambda step: step.recipe)
def test_each_recipe_names_the_command_of_its_step(step):
    source = Path(importlib.import_module(f'{configs.__name__}.{step.recipe}').__file__)
    text = re.sub(r'\\?\n +', ' ', ast.get_docstring(ast.parse(source.read_text()), clean=False))
    command = re.search(r'emotion-training train .*?(?=\n|$)', text)[0]
    words = shlex.split(command)
    given = {
        option: [Path(value) for name, value in pairwise(words) if name == option]
        for option in ('--teacher', '--initial-weights')
    }

    def name(path):
        return path.name if path.suffix == '.tflite' else path.parent.name

    assert tuple(map(name, given['--teacher'])) == step.teachers
    assert ''.join(map(name, given['--initial-weights'])) == step.initial_weights


@pytest.mark.parametrize('epochs', ['0', '-1', '1.5'])
def test_epochs_are_a_whole_number_above_0(epochs, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(['reproduce', 'data', '--out', str(tmp_path / 'runs'), '--epochs', epochs])
    assert f'{epochs} is not a whole number above 0' in capsys.readouterr().err


def quick(name):
    """Return a recipe of few steps."""
    return replace(load_config(name), batch_size=32, min_steps=1)


def small(name):
    """Return a recipe of few steps with a network of a few channels."""
    recipe = quick(name)
    arguments = recipe.network_args | {'stem': 8, 'widths': (32, 48, 64, 96)}
    if 'ranks' in arguments:
        arguments['ranks'] = ((6, 10), (12, 16), (20, 20), (24, 24))
    return replace(recipe, network_args=arguments)


@pytest.mark.slow
def test_from_the_data_to_the_exported_model(data, tmp_path, capsys, monkeypatch):
    """All nine trainings, of one epoch and of small networks; a finished one is not repeated."""
    monkeypatch.setattr(config, 'load_config', small)
    command = ['reproduce', str(data), '--out', str(tmp_path), '--epochs', '1']
    code = cli.main(command)
    printed = capsys.readouterr()
    assert code == 0, printed.err[-500:]
    lines = printed.out.splitlines()
    for number, step in enumerate(STEPS, 1):
        assert f'{number} of 9: {step.recipe}, 1 epochs' in lines
    model = tmp_path / 'exported' / 'expression_net' / 'expression_net.tflite'
    assert lines[-1] == str(model)
    provenance = read_metadata(model.with_suffix('.json')).provenance
    teacher = tmp_path / 'exported' / 'expression_full' / 'expression_full.tflite'
    assert provenance['teachers_sha256'] == [hashlib.sha256(teacher.read_bytes()).hexdigest()]
    changed_at = model.stat().st_mtime_ns
    assert cli.main(command) == 0
    assert 'expression_net is finished' in capsys.readouterr().out
    assert model.stat().st_mtime_ns == changed_at


@pytest.mark.slow
def test_a_teacher_at_hand_replaces_five_trainings(data, tmp_path, capsys, monkeypatch):
    """The packaged network's own teacher, which its first training starts from."""
    monkeypatch.setattr(config, 'load_config', quick)
    monkeypatch.setattr(reproduce, 'STEPS', STEPS[:6])
    command = ['reproduce', str(data), '--out', str(tmp_path), '--teacher', str(TEACHER)]
    assert cli.main([*command, '--epochs', '1']) == 0
    assert '6 of 6: expression_compact, 1 epochs' in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ['expression_compact']
