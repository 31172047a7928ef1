"""
Does filtering the training labels help? One small network, one recipe, several ways to choose its images.

Every run takes the same number of steps, so that fewer images are seen more often, and its last
weights are scored: nothing is chosen on the images that it is scored on.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from emotion_training.data.dataset import load
from emotion_training.data.fer2013 import DatasetError
from emotion_training.evaluate.assessment import training_digests
from emotion_training.evaluate.model_outputs import answers_of_all_heads
from emotion_training.experiments.scoring import score_arms
from emotion_training.experiments.variants import ARMS, Variant, folder_of, judges
from emotion_training.files import write_json
from emotion_training.filtering.filtered_dataset import RECORD
from emotion_training.train.config import TrainingConfig, load_config
from emotion_training.train.run_record import read_record

RESULTS = 'filtering.json'
LAST = 'last.keras'


def config_of(
    arm: Variant, images: int, of: int, seed: int, base: TrainingConfig
) -> TrainingConfig:
    """
    Return the recipe of one run: as many steps as `base` takes on all images.

    Args:
        arm: whose head is learned.
        images: number of images of the arm.
        of: number of images of the unfiltered training split.
        seed: of the run.
        base: the recipe for all images.

    """
    return dataclasses.replace(
        base,
        name=f'{base.name}-{arm.name}',
        network_args=base.network_args | {'heads': (arm.head,)},
        epochs=max(1, round(base.epochs * of / images)),
        seed=seed,
    )


def run(
    dataset: Path,
    out: Path,
    weights: Path | None,
    seeds: Sequence[int],
    chosen: Sequence[str],
    epochs: int | None = None,
) -> Path | None:
    """
    Train what is missing and, once every run is there, score all and write ``out/filtering.json``.

    Args:
        dataset: folder that build made, with votes.
        out: folder of the experiment; a run that is there is not made again.
        weights: of DeepFace's emotion network.
        seeds: of the runs of each arm.
        chosen: names of the arms to train now, so that several processes can share the work.
        epochs: on all images, instead of the recipe's.

    Returns:
        The path of the results; None while runs are missing.

    Raises:
        DatasetError: if an arm cannot be filtered or `out` was begun with other data.

    """
    from keras.utils import clear_session

    from emotion_training.train.training import train

    base = load_config('small_net')
    base = dataclasses.replace(base, epochs=epochs or base.epochs)
    everything = load(dataset, 'train')
    known = cache(lambda: judges(weights, out / 'out-of-fold'))
    for arm in (arm for arm in ARMS if arm.name in chosen):
        folder = folder_of(arm, dataset, out, known)
        images = len(load(folder, 'train'))
        for seed in seeds:
            where = run_folder(out, arm, seed)
            if not (where / LAST).exists():
                print(f'{arm.name}, seed {seed}: {images} images', flush=True)
                train(config_of(arm, images, len(everything), seed, base), folder, where)
                clear_session()
    missing = [
        str(run_folder(out, arm, seed))
        for arm in ARMS
        for seed in seeds
        if not (run_folder(out, arm, seed) / LAST).exists()
    ]
    if missing:
        print(f'{len(missing)} runs are still to be made, the next is {missing[0]}')
        return None
    return _write_results(dataset, out, seeds, base)


def run_folder(out: Path, arm: Variant, seed: int) -> Path:
    """Return the folder of a run."""
    return out / 'runs' / f'{arm.name}-{seed}'


def _write_results(dataset: Path, out: Path, seeds: Sequence[int], base: TrainingConfig) -> Path:
    split = load(dataset, 'validation')
    learned = training_digests(dataset)
    answers, facts = {}, {}
    for arm in ARMS:
        runs = [run_folder(out, arm, seed) for seed in seeds]
        answers[arm.name] = [
            answers_of_all_heads(where / LAST, split.images)['crowd'] for where in runs
        ]
        facts[arm.name] = _facts(arm, out, [read_record(each) for each in runs])
    results = {
        'network': {'recipe': base.name, 'parameters': facts['raw'].pop('parameters')},
        'steps': base.epochs * (len(load(dataset, 'train')) // base.batch_size),
        'seeds': list(seeds),
        'arms': facts,
        'scores': score_arms(answers, split, learned),
    }
    path = out / RESULTS
    write_json(path, results)
    return path


def _facts(arm: Variant, out: Path, records: list[dict]) -> dict:
    """Return what an arm learned from; its runs must agree on the data."""
    if len({record['data_sha256'] for record in records}) > 1:
        raise DatasetError(f'{out}: the runs of {arm.name} learned from different images')
    facts = {
        'images': records[0]['train_images'],
        'epochs': records[0]['config']['epochs'],
        'learns': arm.head,
        'combine': arm.combine,
        'methods': {},
    }
    if arm.methods:
        filtered = json.loads((out / 'data' / arm.name / RECORD).read_text())
        facts['methods'] = filtered['methods']
        facts['classes'] = filtered['train_after']
    else:
        facts['parameters'] = records[0]['parameters']
    return facts
