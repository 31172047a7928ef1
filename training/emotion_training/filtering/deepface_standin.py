"""
A stand-in for the weights of DeepFace's emotion network, for machines where those cannot be had.

The same layers as deepface 0.0.103 builds them (`deepface/models/demography/tf/Emotion.py`, MIT),
trained on a dataset's training split with its own labels, in a file that the real library loads.
It is not DeepFace's network: what rests on it says so, and the file says so to `filter`.

python -m emotion_training.filtering.deepface_standin DATASET --out facial_expression_model_weights.h5
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS, FER2013_CODES
from emotion_training.filtering.deepface_agreement import STAND_IN
from emotion_training.filtering.deepface_network import network

_TO_DEEPFACE = [EMOTIONS.index(name) for name in FER2013_CODES]
"""DeepFace's seven outputs are in the order of FER2013's codes."""


def save(model, out: Path, note: str) -> None:
    """
    Write the weights of `model` as the HDF5 file that deepface loads, marked as a stand-in.

    Args:
        model: of `network`.
        out: the file; its folder is made.
        note: how it came about; `filter` repeats it.

    """
    import h5py

    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + '.partial')
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / 'model.h5'
        model.save(whole)
        with h5py.File(whole) as source, h5py.File(partial, 'w') as target:
            weights = source['model_weights']
            for name in weights:
                weights.copy(name, target)
            for name, value in weights.attrs.items():
                target.attrs[name] = value
            target.attrs[STAND_IN] = note
    os.replace(partial, out)


def train(dataset: Path, out: Path, epochs: int, seed: int = 1) -> float:
    """
    Train the stand-in on ``dataset/train``; interrupted and started again it goes on.

    Returns:
        Its accuracy on ``dataset/validation``, 0..1.

    """
    import keras

    from emotion_training.data.dataset import load

    keras.utils.set_random_seed(seed)
    splits = {}
    for name in ('train', 'validation'):
        split = load(dataset, name)
        codes = np.argsort(_TO_DEEPFACE)[split.labels]
        splits[name] = split.images[..., None].astype(np.float32) / 255, codes
    model = network(keras)
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
    """Train a stand-in and print where it lies."""
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    parser = argparse.ArgumentParser(
        prog='python -m emotion_training.filtering.deepface_standin',
        description="Train a stand-in for DeepFace's emotion weights.",
    )
    parser.add_argument('dataset', type=Path, help='folder that build made')
    parser.add_argument('--out', type=Path, required=True, help='weights file to write (.h5)')
    parser.add_argument('--epochs', type=int, default=8)
    args = parser.parse_args(argv)
    accuracy = train(args.dataset, args.out, args.epochs)
    print(f'{args.out}: a stand-in, {accuracy:.2%} of the validation labels')
    return 0


if __name__ == '__main__':
    sys.exit(main())
