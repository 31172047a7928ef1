# SPDX-License-Identifier: Apache-2.0
"""The mean of the weights of several trainings."""

import json
import shutil

import keras
import numpy as np
import pytest

from emotion_training import cli
from support.small_training import SMALL, epoch_rows


@pytest.fixture(scope='module')
def other_run(small_run, tmp_path_factory):
    """Return the folder of a training of the same network with other weights."""
    folder = shutil.copytree(small_run, tmp_path_factory.mktemp('other') / 'run')
    network = keras.saving.load_model(folder / 'best.keras', compile=False)
    network.set_weights([2 * array for array in network.get_weights()])
    network.save(folder / 'best.keras')
    return folder


def change_record(run, change):
    path = run / 'run.json'
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_the_mean_of_two_trainings(small_run, other_run, tmp_path, capsys):
    out = tmp_path / 'mean'
    assert (
        cli.main(['average', str(small_run), str(other_run), '--name', 'm', '--out', str(out)])
        == 0
    )
    assert capsys.readouterr().out.strip() == str(out / 'best.keras')
    first, mean = (
        keras.saving.load_model(run / 'best.keras', compile=False).get_weights()
        for run in (small_run, out)
    )
    for one, averaged in zip(first, mean, strict=True):
        np.testing.assert_allclose(averaged, 1.5 * one, rtol=1e-6)
    record = json.loads((out / 'run.json').read_text())
    assert (record['config']['name'], record['config']['epochs']) == ('m', 2 * SMALL.epochs)
    names = [training['config']['name'] for training in record['mean_of']]
    assert names == ['drawn', 'drawn']
    assert len({training['network_sha256'] for training in record['mean_of']}) == 2
    before, rows = epoch_rows(small_run), epoch_rows(out)
    assert [float(row['epoch']) for row in rows] == list(range(2 * SMALL.epochs))
    assert float(rows[-1]['elapsed_s']) == pytest.approx(2 * float(before[-1]['elapsed_s']))
    assert float(rows[-1]['loss']) == float(before[-1]['loss'])
    arguments = ['average', str(small_run), str(other_run), '--name', 'm', '--out', str(out)]
    assert cli.main(arguments) == 2
    assert 'exists already' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda record: record.update(data_sha256='0'), 'trained on other images'),
        (lambda record: record['config'].update(network_args={}), 'another network_args'),
    ],
)
def test_trainings_that_do_not_fit(change, message, small_run, tmp_path, capsys):
    other = shutil.copytree(small_run, tmp_path / 'other')
    change_record(other, change)
    arguments = ['average', str(small_run), str(other), '--name', 'm']
    assert cli.main([*arguments, '--out', str(tmp_path / 'mean')]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'mean').exists()


def test_one_training_has_no_mean(small_run, tmp_path, capsys):
    arguments = ['average', str(small_run), '--name', 'm', '--out', str(tmp_path / 'mean')]
    assert cli.main(arguments) == 2
    assert 'two or more' in capsys.readouterr().err
