# SPDX-License-Identifier: Apache-2.0
"""The notebook of the study runs on the drawn faces."""

import json
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

from emotion_training.data.build import build
from emotion_training.data.fer2013 import read_fer2013

NOTEBOOK = Path(__file__).parents[2] / 'training' / 'notebooks' / 'the_study.py'


@pytest.mark.slow
@pytest.mark.parametrize('votes', [True, False])
def test_every_cell_runs_and_the_two_models_are_compared(
    data, drawn_csv, tmp_path, monkeypatch, votes
):
    if not votes:
        data = tmp_path / 'data'
        build(read_fer2013(drawn_csv[0]), data)
    for name, value in (('DATASET', data), ('WORK', tmp_path), ('EPOCHS', 2)):
        monkeypatch.setenv(name, str(value))
    notebook = jupytext.read(NOTEBOOK)
    for cell in notebook.cells:  # short epochs
        cell.source = cell.source.replace('epochs=EPOCHS)', 'epochs=EPOCHS, min_steps=1)')
    NotebookClient(
        notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    outputs = [o for cell in notebook.cells for o in cell.get('outputs', ())]
    images = [o for o in outputs if 'image/png' in o.get('data', {})]
    assert len(images) == 5  # classes, faces, two pairs of curves, confusion
    text = ''.join(o.get('text', '') for o in outputs)
    assert ('it agrees with the label of 100.0% of the images' in text) == votes
    assert ('confident-learning: prune' in text) != votes
    results = json.loads((tmp_path / 'results.json').read_text())
    assert list(results) == ['FER2013 label', 'FER+ majority'][: 1 + votes]
    for row in results.values():
        assert 0 <= row['all images'] <= 1
        difference = row['only_this_right'] - row['only_first_right']
        assert row['filtered images'] - row['all images'] == pytest.approx(difference / 42)
