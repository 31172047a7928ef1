"""
The founding study anew: its Models 1 to 3 on the images whose label DeepFace's network agrees with.

As there, validation is filtered too: its score is asked of the images on which a network that learned
from such labels agrees with the label. The same models are scored on the untouched split beside it.
"""

import dataclasses
from pathlib import Path
from typing import Any

from emotion_training.data.dataset import load
from emotion_training.evaluate.evaluation import evaluate
from emotion_training.evaluate.model_outputs import answers_of_all_heads
from emotion_training.experiments.filter_comparison import LAST
from emotion_training.files import whole_folder, write_json
from emotion_training.filtering import deepface_agreement
from emotion_training.filtering.filtered_dataset import copy_without
from emotion_training.train.config import load_config
from emotion_training.train.epoch_log import read_epochs
from emotion_training.train.run_record import read_record

RESULTS = 'study.json'
MODELS = ('study_model_1', 'study_model_2', 'study_model_3')

REPORTED = {'training': 0.7282, 'kept_validation': 0.6982}
"""The study's figures for its Model 3."""


def kept_dataset(dataset: Path, out: Path, weights: Path) -> Path:
    """
    Make ``out/data/kept``: the images of both splits whose label DeepFace's network sees too.

    Args:
        dataset: folder that build made.
        out: folder of the experiment.
        weights: of DeepFace's emotion network.

    """
    folder = out / 'data' / 'kept'
    if folder.exists():
        return folder
    removed: set[str] = set()
    for name in ('train', 'validation'):
        split = load(dataset, name)
        verdicts = deepface_agreement.decide(
            split, lambda images: deepface_agreement.classify(images, weights)
        )
        removed |= {p for p, stays in zip(split.paths, verdicts.keep, strict=True) if not stays}
    with whole_folder(folder) as partial:
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
    Train what is missing of the three models, score them and write ``out/study.json``.

    Args:
        dataset: folder that build made.
        out: folder of the experiment; started again, it goes on.
        weights: of DeepFace's emotion network, or None: looked for where DeepFace keeps them.
        epochs: at most, instead of the recipes'.
        precision: Keras' dtype policy instead of the recipes'.

    Returns:
        The path of the results.

    """
    from keras.utils import clear_session

    from emotion_training.train.training import train

    path = deepface_agreement.find_weights(weights)
    kept = kept_dataset(dataset, out, path)
    for name in MODELS:
        config = load_config(name)
        config = dataclasses.replace(
            config,
            epochs=min(epochs or config.epochs, config.epochs),
            precision=precision or config.precision,
        )
        if not (out / 'runs' / name / LAST).exists():
            train(config, kept, out / 'runs' / name)
            clear_session()
    results = {
        'weights': deepface_agreement.describe(path),
        'train_images': len(load(kept, 'train')),
        'validation_images': len(load(kept, 'validation')),
        'models': {'the study, Model 3': REPORTED}
        | {name: _scores(name, out, dataset, kept) for name in MODELS},
    }
    write_json(out / RESULTS, results)
    return out / RESULTS


def _scores(name: str, out: Path, dataset: Path, kept: Path) -> dict[str, Any]:
    """Return the accuracies of a model's best epoch, 0..1, as the study gave them and on all images."""
    where = out / 'runs' / name
    rows = read_epochs(where / 'epochs.csv')
    best = max(rows, key=lambda row: row['val_fer2013_accuracy'])
    whole, train = load(dataset, 'validation'), load(dataset, 'train')
    told = evaluate(answers_of_all_heads(where / 'best.keras', whole.images), whole, train)
    own = load(kept, 'validation')
    agreed = evaluate(answers_of_all_heads(where / 'best.keras', own.images), own)
    record = read_record(where)
    return {
        'epochs': len(rows),
        'precision': record['config']['precision'],
        'training': best['fer2013_accuracy'],
        'kept_validation': agreed['FER2013 label']['accuracy'],
        'validation': told['FER2013 label']['accuracy'],
        'majority': told.get('FER+ majority', {}).get('accuracy'),
    }
