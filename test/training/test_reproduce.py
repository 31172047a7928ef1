# SPDX-License-Identifier: Apache-2.0
"""The chain of trainings that leads to the packaged model."""

import ast
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


@pytest.mark.slow
def test_from_the_teacher_to_the_exported_model(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        config, 'load_config', lambda name: replace(load_config(name), batch_size=32, min_steps=1)
    )
    arguments = ['reproduce', str(data), '--out', str(tmp_path), '--teacher', str(TEACHER)]
    assert cli.main([*arguments, '--epochs', '1']) == 0
    out = capsys.readouterr().out
    assert '6 of 9: expression_compact, 1 epochs' in out
    model = tmp_path / 'exported' / 'expression_net' / 'expression_net.tflite'
    assert out.splitlines()[-1] == str(model)
    metadata = read_metadata(model.with_suffix('.json'))
    assert metadata.parameters == read_metadata(DEFAULT_MODEL.with_suffix('.json')).parameters
    changed_at = model.stat().st_mtime_ns
    assert cli.main([*arguments, '--epochs', '1']) == 0
    assert 'expression_net is finished' in capsys.readouterr().out
    assert model.stat().st_mtime_ns == changed_at
