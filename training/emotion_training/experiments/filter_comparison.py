# SPDX-License-Identifier: Apache-2.0
"""
Does filtering the training labels help? One small network, one recipe, several training sets.

Every run has the same number of steps, so fewer images are seen more often. The last weights are
scored: nothing is selected on the scored images.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from emotion_training.data.dataset import load
from emotion_training.data.fer2013 import DatasetError
from emotion_training.evaluate.evaluation import train_digests
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.experiments.runs import is_finished, run_folder, train_missing
from emotion_training.experiments.scoring import score_variants
from emotion_training.experiments.variants import (
    VARIANTS,
    Variant,
    filter_methods,
    variant_dataset,
)
from emotion_training.files import write_json
from emotion_training.filtering.filtered_dataset import RECORD
from emotion_training.train.config import TrainingConfig, load_config
from emotion_training.train.run_record import LAST, read_record

RESULTS = 'filtering.json'


def variant_config(
    variant: Variant, images: int, all_images: int, seed: int, base: TrainingConfig
) -> TrainingConfig:
    """
    Return the recipe of one run, with as many steps as `base` has on all images.

    Args:
        variant: whose head is trained.
        images: number of images of the variant.
        all_images: number of images of the unfiltered training split.
        seed: of the run.
        base: the recipe for all images.

    """
    return dataclasses.replace(
        base,
        name=f'{base.name}-{variant.name}',
        network_args=base.network_args | {'heads': (variant.head,)},
        epochs=max(1, round(base.epochs * all_images / images)),
        min_steps=1,
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
    Make the missing runs and score the finished variants into ``out/filtering.json``.

    Args:
        dataset: folder made by build, with votes.
        out: folder of the experiment; existing runs are not repeated.
        weights: of DeepFace's emotion network.
        seeds: of the runs of each variant.
        chosen: names of the variants to train now.
        epochs: on all images, instead of the recipe's.

    Returns:
        The path of the results; None while runs of the baseline are missing.

    Raises:
        DatasetError: if a variant cannot be filtered or `out` was begun with other data.

    """
    base = load_config('small_net')
    base = dataclasses.replace(base, epochs=epochs or base.epochs)
    all_images = len(load(dataset, 'train'))
    methods = cache(lambda: filter_methods(weights, out / 'out-of-fold'))
    for variant in (each for each in VARIANTS if each.name in chosen):
        folder = variant_dataset(variant, dataset, out, methods)
        images = len(load(folder, 'train'))
        for seed in seeds:
            config = variant_config(variant, images, all_images, seed, base)
            train_missing(config, folder, run_folder(out, variant.name, seed))
    folders = {
        each.name: [run_folder(out, each.name, seed) for seed in seeds] for each in VARIANTS
    }
    scored = [each for each in VARIANTS if all(map(is_finished, folders[each.name]))]
    if VARIANTS[0] not in scored:
        print(f'no scores yet: the runs of {VARIANTS[0].name}, the baseline, are missing')
        return None
    split = load(dataset, 'validation')
    outputs = {
        each.name: [
            head_probabilities(one / LAST, split.images)['crowd'] for one in folders[each.name]
        ]
        for each in scored
    }
    facts = {each.name: _facts(each, out, folders[each.name]) for each in scored}
    write_json(
        out / RESULTS,
        {
            'network': {'recipe': base.name, 'parameters': facts['raw'].pop('parameters')},
            'steps': base.epochs * (all_images // base.batch_size),
            'seeds': list(seeds),
            'arms': facts,
            'scores': score_variants(outputs, split, train_digests(dataset)),
        },
    )
    return out / RESULTS


def _facts(variant: Variant, out: Path, runs: Sequence[Path]) -> dict:
    """Return what a variant was trained on; raise DatasetError if its runs had different data."""
    records = [read_record(one) for one in runs]
    if len({record['data_sha256'] for record in records}) > 1:
        raise DatasetError(f'{out}: the runs of {variant.name} had different training images')
    facts = {
        'images': records[0]['train_images'],
        'epochs': records[0]['config']['epochs'],
        'learns': variant.head,
        'combine': variant.combine,
        'methods': {},
    }
    if not variant.methods:
        return facts | {'parameters': records[0]['parameters']}
    filtered = json.loads((out / 'data' / variant.name / RECORD).read_text())
    return facts | {'methods': filtered['methods'], 'classes': filtered['train_after']}
