# SPDX-License-Identifier: Apache-2.0
"""The mean of the weights of several trainings that began with the same ones."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotion_training.files import write_json
from emotion_training.train.epoch_log import EPOCHS, draw_curves, read_epochs
from emotion_training.train.run_record import BEST, RECORD, RunError, file_sha256, read_record
from emotion_training.train.teachers import load_network


def average(runs: Sequence[Path], name: str, out: Path) -> Path:
    """
    Write a run whose network has the mean weights of the best ones of other runs.

    Trainings that begin with the same weights stay close enough for their mean to be a network,
    and usually a better one than each of them (Wortsman et al., 2022, "Model soups").

    Args:
        runs: folders written by `train`, two or more, of the same network.
        name: of the recipe in the record, and so of the exported model.
        out: folder for best.keras, run.json, and the epochs and curves of the runs in turn.

    Returns:
        The path of the network.

    Raises:
        ModelError: if a network cannot be loaded.
        RunError: if a folder holds no training, the trainings differ in their network or their
            data, or there is only one.

    """
    if len(runs) < 2:
        raise RunError('a mean needs the folders of two or more trainings')
    records = [read_record(run) for run in runs]
    for run, record in zip(runs[1:], records[1:], strict=True):
        for key in ('network', 'network_args'):
            if record['config'][key] != records[0]['config'][key]:
                raise RunError(f'{run} and {runs[0]} cannot be averaged: another {key}')
        if record['data_sha256'] != records[0]['data_sha256']:
            raise RunError(f'{run} and {runs[0]} cannot be averaged: trained on other images')
    networks = [load_network(run / BEST) for run in runs]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(arrays, axis=0) for arrays in weights])
    epochs = [row for run in runs for row in read_epochs(run / EPOCHS)]
    out.mkdir(parents=True, exist_ok=True)
    networks[0].save(out / BEST)
    trainings = [
        {'config': record['config'], 'network_sha256': file_sha256(run / BEST)}
        for run, record in zip(runs, records, strict=True)
    ]
    config = records[0]['config'] | {'name': name, 'epochs': len(epochs)}
    _write_epochs(out / EPOCHS, epochs)
    draw_curves(out / EPOCHS, out / 'curves.png')
    # last, so that a run with a record is whole
    write_json(out / RECORD, records[0] | {'config': config, 'mean_of': trainings})
    return out / BEST


def _write_epochs(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the epochs of several runs, numbered and timed as if they were one."""
    ended_s = elapsed_s = 0.0
    with path.open('w', newline='') as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        for number, row in enumerate(rows):
            if not row['epoch']:
                ended_s = elapsed_s
            elapsed_s = round(ended_s + row['elapsed_s'], 1)
            writer.writerow(row | {'epoch': number, 'elapsed_s': elapsed_s})
