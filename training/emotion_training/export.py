# SPDX-License-Identifier: Apache-2.0
"""Export a trained .keras model to what the node loads: a calibrated LiteRT file and its json."""

import contextlib
import hashlib
import io
import shutil
from pathlib import Path

import keras
import numpy as np
from sklearn.model_selection import KFold

from emotion_perception.adaptation import log_probabilities
from emotion_perception.emotions import EMOTIONS
from emotion_perception.runtime.keras import open_keras
from emotion_perception.runtime.metadata import HEADS, ModelMetadata
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.calibration import fit_balanced
from emotion_training.evaluate.evaluation import evaluate, references
from emotion_training.evaluate.metrics import score
from emotion_training.evaluate.model_outputs import probabilities
from emotion_training.train.epoch_log import EPOCHS, training_record
from emotion_training.train.run_record import read_record

QUANTIZATIONS = ('dynamic', 'int8', 'float16', 'float32')
"""
Of weights and activations: ``dynamic`` is eight bits for both, the activations with a scale for
each image, ``int8`` eight bits with fixed scales.
"""
_TOLERANCES = {'float32': 1e-3, 'float16': 1e-2, 'dynamic': 0.2, 'int8': 0.4}
"""Largest accepted difference of a probability between the trained and the exported model."""
BALANCE = 0.5
"""Half of the correction that makes all expressions equally likely; see `fit_balanced`."""
_REPRESENTATIVE_IMAGES = 500
_BATCH = 512
_FOLDS = 5


class ExportError(RuntimeError):
    """The outputs of the exported model differ from those of the trained one."""


def deployed(model: keras.Model, heads: tuple[str, ...], mirror: bool) -> keras.Model:
    """
    Return the model with the node's signature: float32 [N, 48, 48, 1] to logits [N, heads, 7].

    Args:
        model: trained, ``{head: [N, 7]}``.
        heads: their order in the output.
        mirror: return the mean logits of each face and its mirror image.

    """
    ops = keras.ops
    face = keras.Input((48, 48, 1), name='face')
    faces = ops.concatenate([face, ops.flip(face, axis=2)], axis=0) if mirror else face
    outputs = model(faces)
    logits = ops.stack([outputs[head] for head in heads], axis=1)
    if mirror:
        logits = ops.mean(ops.reshape(logits, (2, -1, len(heads), len(EMOTIONS))), axis=0)
    return keras.Model(face, logits)


def convert(model: keras.Model, quantization: str, images: np.ndarray) -> bytes:
    """Return `model` as a LiteRT file; `images` set the value ranges of int8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantization != 'float32':
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == 'float16':
        converter.target_spec.supported_types = [tf.float16]
    if quantization == 'int8':
        faces = images[..., None].astype(np.float32)
        converter.representative_dataset = lambda: ([face[None]] for face in faces)
    # Keras lists the inputs and outputs
    with contextlib.redirect_stdout(io.StringIO()):
        return converter.convert()


def _softmax(logits: np.ndarray, offset: np.ndarray | list[float], temperature: float):
    return np.asarray(keras.ops.softmax((logits + np.asarray(offset)) / temperature))


def _calibrate(
    head: str, logits: np.ndarray, split: Dataset, frequencies: np.ndarray, balance: float
) -> tuple[np.ndarray, float, dict]:
    """
    Fit offset and temperature of a head on a split, against all references of this head.

    The crowd head is fitted on the most frequent vote of all faces and on the majority, so faces
    with a majority count twice: a temperature fitted on all faces alone is underconfident on
    clear ones, and one fitted on clear faces alone is overconfident on the others.

    Returns:
        The offset, the temperature, and as evidence the temperatures of five folds with the
        cross-validated ECE against each reference.

    """
    own = [reference for reference in references(split, None) if reference.head == head]
    rows = np.concatenate([np.flatnonzero(reference.rows) for reference in own])
    labels = np.concatenate([reference.labels[reference.rows] for reference in own])
    temperatures = []
    calibrated = np.empty_like(logits)
    for others, held_out in KFold(_FOLDS, shuffle=True, random_state=0).split(logits):
        used = np.isin(rows, others)
        offset, temperature = fit_balanced(logits[rows[used]], labels[used], frequencies, balance)
        temperatures.append(round(temperature, 4))
        calibrated[held_out] = _softmax(logits[held_out], offset, temperature)
    ece = {r.name: score(calibrated[r.rows], r.labels[r.rows])['ece'] for r in own}
    offset, temperature = fit_balanced(logits[rows], labels, frequencies, balance)
    evidence = {'folds': temperatures, 'ece': ece}
    return offset.round(4) + 0.0, round(temperature, 4), evidence


def export(
    run: Path,
    train: Dataset,
    validation: Dataset,
    out: Path,
    quantization: str = QUANTIZATIONS[0],
    mirror: bool = False,
    balance: float = BALANCE,
) -> ModelMetadata:
    """
    Export the best model of a run, calibrated on `validation`.

    Args:
        run: folder written by `train`.
        train: training split, for leak-free scores, class frequencies and the value ranges of
            int8.
        validation: split for calibration and scores.
        out: folder for NAME.tflite, NAME.json and NAME_epochs.csv.
        quantization: one of `QUANTIZATIONS`.
        mirror: the exported model averages each face and its mirror image, in twice the time.
        balance: of the crowd head, 0..1, see `calibration.fit_balanced`. The other head is not
            balanced, so that it can be compared with the literature.

    Returns:
        The metadata, as in NAME.json.

    Raises:
        ExportError: if the outputs of the exported model differ from those of the trained one.
        RunError: if `run` is not the folder of a training.
        ValueError: if `balance` is not in 0..1.

    """
    if not 0 <= balance <= 1:
        raise ValueError(f'the balance must be from 0 to 1, not {balance}')
    record = read_record(run)
    model = open_keras(run / 'best.keras')
    heads = tuple(head for head in HEADS if head in model.output_names)
    faces = validation.images[..., None].astype(np.float32)
    node_model = deployed(model, heads, mirror)
    stacked = np.concatenate(
        [np.asarray(node_model(faces[at : at + _BATCH])) for at in range(0, len(faces), _BATCH)]
    )
    logits = {head: stacked[:, k] for k, head in enumerate(heads)}
    frequencies = train.class_frequencies
    calibrated = {
        head: _calibrate(
            head, logits[head], validation, frequencies, balance if head == HEADS[0] else 0.0
        )
        for head in heads
    }
    sample = np.random.default_rng(0).permutation(len(train))[:_REPRESENTATIVE_IMAGES]
    blob = convert(node_model, quantization, train.images[sample])
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'{record["config"]["name"]}.tflite'
    partial = path.with_name(f'partial_{path.name}')
    metadata = ModelMetadata(
        name=path.stem,
        file=path.name,
        sha256=hashlib.sha256(blob).hexdigest(),
        labels=EMOTIONS,
        heads=heads,
        input={'side_px': 48, 'channels': 1, 'range': [0, 255]},
        temperature={head: temperature for head, (_, temperature, _) in calibrated.items()},
        parameters=int(model.count_params()),
        offset={head: offset.tolist() for head, (offset, _, _) in calibrated.items()},
        provenance=record
        | {
            'quantization': quantization,
            'mirror': mirror,
            'balance': balance,
            'calibration': {head: evidence for head, (_, _, evidence) in calibrated.items()},
        },
    )
    try:
        partial.write_bytes(blob)
        metadata.write(partial.with_suffix('.json'))
        exported = {head: probabilities(partial, head, validation.images) for head in heads}
        for head in heads:
            trained = _softmax(logits[head], metadata.offset[head], metadata.temperature[head])
            difference = float(np.abs(trained - exported[head]).max())
            if difference > _TOLERANCES[quantization]:
                raise ExportError(
                    f'{head}: a probability of the exported model is off by {difference:.3f}'
                )
        neutral_faces = validation.neutral_faces
        if neutral_faces.any():
            for head in heads:
                mean = log_probabilities(exported[head][neutral_faces]).mean(0)
                metadata.neutral[head] = mean.round(4).tolist()
        metadata.scores.update(evaluate(exported, validation, train))
        metadata.write(partial.with_suffix('.json'))
        partial.replace(path)
        partial.with_suffix('.json').replace(path.with_suffix('.json'))
        shutil.copyfile(run / EPOCHS, training_record(path))
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix('.json').unlink(missing_ok=True)
    return metadata
