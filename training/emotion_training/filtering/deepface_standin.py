# SPDX-License-Identifier: Apache-2.0
"""
Train stand-in weights for DeepFace's emotion network, where the original weights are unavailable.

The layers are those of deepface 0.0.103, trained on a dataset's training split and its own labels.
The real library loads the file. The file is marked, so that `filter` reports a stand-in.

python -m emotion_training.filtering.deepface_standin DATASET --out WEIGHTS.h5
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS, FER2013_CODES
from emotion_perception.files import whole_output

STAND_IN = 'emotion_training_stand_in'
"""HDF5 attribute that marks stand-in weights; its value says how they were trained."""


def build_network(keras: ModuleType) -> Any:
    """
    Return DeepFace's emotion network with random weights.

    The layers are those of deepface 0.0.103, `deepface/models/demography/tf/Emotion.py` (MIT). The
    input is float32 [N, 48, 48, 1] in 0..1, the output probabilities [N, 7] in the order of
    FER2013_CODES.

    Args:
        keras: the module keras, or tf_keras, which deepface uses.

    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Conv2D(64, 5, activation='relu'),
            layers.MaxPooling2D(5, strides=2),
            layers.Conv2D(64, 3, activation='relu'),
            layers.Conv2D(64, 3, activation='relu'),
            layers.AveragePooling2D(3, strides=2),
            layers.Conv2D(128, 3, activation='relu'),
            layers.Conv2D(128, 3, activation='relu'),
            layers.AveragePooling2D(3, strides=2),
            layers.Flatten(),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(7, activation='softmax'),
        ],
        name='deepface_stand_in',
    )


def save(model, out: Path, note: str) -> None:
    """
    Write the weights of `model` as an HDF5 file that deepface loads, marked as a stand-in.

    Args:
        model: result of `build_network`.
        out: the file; its folder is created.
        note: how the weights were made; `filter` repeats it.

    """
    import h5py

    with (
        tempfile.TemporaryDirectory() as folder,
        whole_output(out, out.name, replace=True) as partial,
    ):
        complete = Path(folder) / 'model.h5'
        model.save(complete)
        with h5py.File(complete) as source, h5py.File(partial, 'w') as target:
            weights = source['model_weights']
            for name in weights:
                weights.copy(name, target)
            target.attrs.update({**weights.attrs, STAND_IN: note})


def train(dataset: Path, out: Path, epochs: int, seed: int = 1) -> float:
    """
    Train the stand-in on ``dataset/train``; an interrupted training is resumed.

    Returns:
        Its accuracy on ``dataset/validation``, 0..1.

    """
    import keras

    from emotion_training.data.dataset import load

    keras.utils.set_random_seed(seed)
    code_of_label = np.array([FER2013_CODES.index(name) for name in EMOTIONS])
    splits = {}
    for name in ('train', 'validation'):
        split = load(dataset, name)
        faces = split.images[..., None].astype(np.float32) / 255
        splits[name] = faces, code_of_label[split.labels]
    model = build_network(keras)
    model.compile(
        keras.optimizers.Adam(1e-3), 'sparse_categorical_crossentropy', metrics=['accuracy']
    )
    backup = out.with_name(out.name + '.backup')
    backup.parent.mkdir(parents=True, exist_ok=True)
    model.fit(
        *splits['train'], batch_size=128, epochs=epochs, verbose=2,
        validation_data=splits['validation'],
        callbacks=[keras.callbacks.BackupAndRestore(str(backup))],
    )  # fmt: skip
    accuracy = float(model.evaluate(*splits['validation'], batch_size=512, verbose=0)[1])
    save(model, out, f'{epochs} epochs on {len(splits["train"][1])} images, {accuracy:.1%}')
    shutil.rmtree(backup, ignore_errors=True)
    return accuracy


def main(argv: list[str] | None = None) -> int:
    """Train a stand-in and print its path."""
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    parser = argparse.ArgumentParser(
        prog='python -m emotion_training.filtering.deepface_standin',
        description="Train a stand-in for DeepFace's emotion weights.",
    )
    parser.add_argument('dataset', type=Path, help='folder made by build')
    parser.add_argument('--out', type=Path, required=True, help='weights file to write (.h5)')
    parser.add_argument('--epochs', type=int, default=8)
    args = parser.parse_args(argv)
    accuracy = train(args.dataset, args.out, args.epochs)
    print(f'{args.out}: a stand-in, {accuracy:.2%} of the validation labels')
    return 0


if __name__ == '__main__':
    sys.exit(main())
