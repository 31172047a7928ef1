# SPDX-License-Identifier: Apache-2.0
"""
The founding study repeated on the images whose label agrees with DeepFace.

As in the study, validation is filtered too, so that score covers only images on which DeepFace's
network agrees with the label. The scores on the untouched split stand beside it.
"""

import dataclasses
from pathlib import Path
from typing import Any

from emotion_training.data.dataset import load
from emotion_training.evaluate.evaluation import FER2013_LABEL, MAJORITY, evaluate
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.experiments.runs import train_missing
from emotion_training.files import atomic_folder, write_json
from emotion_training.filtering import deepface_agreement
from emotion_training.filtering.filtered_dataset import copy_without
from emotion_training.train.config import load_config
from emotion_training.train.epoch_log import EPOCHS, read_epochs
from emotion_training.train.run_record import BEST, read_record

RESULTS = 'study.json'
MODELS = ('study_model_1', 'study_model_2', 'study_model_3')

REPORTED = {'training': 0.7282, 'kept_validation': 0.6982}
"""The study's accuracies for its Model 3."""


def kept_dataset(dataset: Path, out: Path, weights: Path) -> Path:
    """
    Make ``out/data/kept``: the images of both splits whose label DeepFace's network predicts.

    Args:
        dataset: folder made by build.
        out: folder of the experiment.
        weights: of DeepFace's emotion network.

    """
    folder = out / 'data' / 'kept'
    if folder.exists():
        return folder
    removed: set[str] = set()
    for name in ('train', 'validation'):
        split = load(dataset, name)
        keep = deepface_agreement.method(weights)(split).keep
        removed |= {path for path, kept in zip(split.paths, keep, strict=True) if not kept}
    with atomic_folder(folder) as partial:
        copy_without(dataset, partial, removed)
    return folder


def run(
    dataset: Path,
    out: Path,
    weights: Path | None,
    epochs: int | None = None,
    precision: str | None = None,
) -> Path:
    """
    Train those of the three models that are missing, score all and write ``out/study.json``.

    Args:
        dataset: folder made by build.
        out: folder of the experiment; a repeated call resumes.
        weights: of DeepFace's emotion network; None searches DeepFace's folder.
        epochs: at most, instead of the recipes'.
        precision: Keras' dtype policy instead of the recipes'.

    Returns:
        The path of the results.

    """
    path = deepface_agreement.find_weights(weights)
    kept = kept_dataset(dataset, out, path)
    for name in MODELS:
        config = load_config(name)
        config = dataclasses.replace(
            config,
            epochs=min(epochs or config.epochs, config.epochs),
            precision=precision or config.precision,
        )
        train_missing(config, kept, out / 'runs' / name)
    results = {
        'weights': deepface_agreement.describe(path),
        'train_images': len(load(kept, 'train')),
        'validation_images': len(load(kept, 'validation')),
        'models': {'the study, Model 3': REPORTED}
        | {name: _scores(out / 'runs' / name, dataset, kept) for name in MODELS},
    }
    write_json(out / RESULTS, results)
    return out / RESULTS


def _scores(run: Path, dataset: Path, kept: Path) -> dict[str, Any]:
    """Return the accuracies of a run's best epoch, 0..1, on the kept and on all images."""
    rows = read_epochs(run / EPOCHS)
    best = max(rows, key=lambda row: row['val_fer2013_accuracy'])
    on_all, on_kept = (
        evaluate(head_probabilities(run / BEST, split.images), split)
        for split in (load(folder, 'validation') for folder in (dataset, kept))
    )
    return {
        'epochs': len(rows),
        'precision': read_record(run)['config']['precision'],
        'training': best['fer2013_accuracy'],
        'kept_validation': on_kept[FER2013_LABEL]['accuracy'],
        'validation': on_all[FER2013_LABEL]['accuracy'],
        'majority': on_all.get(MAJORITY, {}).get('accuracy'),
    }
