"""From a trained .keras file to what the robot loads: a LiteRT file and its json."""

import hashlib
import shutil
from pathlib import Path

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.runtime.keras import open_keras
from emotion_perception.runtime.metadata import HEADS, ModelMetadata
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.calibration import fit_balanced
from emotion_training.evaluate.evaluation import evaluate, questions
from emotion_training.evaluate.metrics import score
from emotion_training.evaluate.model_outputs import answers
from emotion_training.train.epoch_log import EPOCHS, training_record
from emotion_training.train.run_record import read_record

QUANTISATIONS = ('int8', 'float16', 'float32')
_LARGEST_DIFFERENCE = {'float32': 1e-3, 'float16': 1e-2, 'int8': 0.4}
"""Largest accepted difference of a probability between the trained and the exported model."""
BALANCE = 0.5
"""Half way between how often people name each expression and all alike: one over the roots of their shares."""
_CALIBRATION_IMAGES = 500
_AT_ONCE = 512
_FOLDS = 5


class ExportError(RuntimeError):
    """The exported model does not answer as the trained one does."""


def for_the_robot(model: keras.Model, heads: tuple[str, ...], mirror: bool) -> keras.Model:
    """
    Return the model as the robot asks it: float32 [N, 48, 48, 1] to logits [N, heads, 7].

    Args:
        model: trained, ``{head: [N, 7]}``.
        heads: order of the answers.
        mirror: ask each face and its mirror image, and answer the mean of the logits.

    """
    ops = keras.ops
    face = keras.Input((48, 48, 1), name='face')
    asked = ops.concatenate([face, ops.flip(face, axis=2)], axis=0) if mirror else face
    answers = model(asked)
    logits = ops.stack([answers[head] for head in heads], axis=1)
    if mirror:
        logits = ops.mean(ops.reshape(logits, (2, -1, len(heads), len(EMOTIONS))), axis=0)
    return keras.Model(face, logits)


def _convert(model: keras.Model, quantization: str, images: np.ndarray) -> bytes:
    """Return a LiteRT file that answers as `model` does; `images` set the ranges of int8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantization != 'float32':
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == 'float16':
        converter.target_spec.supported_types = [tf.float16]
    if quantization == 'int8':
        faces = images[..., None].astype(np.float32)
        converter.representative_dataset = lambda: ([face[None]] for face in faces)
    return converter.convert()


def _shares(train: Dataset) -> np.ndarray:
    """Return the share of each expression among what most people see, float [7] above 0."""
    seen = np.bincount(train.majority[train.majority >= 0], minlength=len(EMOTIONS)) + 1
    return seen / seen.sum()


def _calibrate(
    head: str, logits: np.ndarray, split: Dataset, shares: np.ndarray, balance: float
) -> tuple[np.ndarray, float, dict]:
    """
    Fit a head's offset and temperature on a split: the crowd's on what most people say, the other on the label.

    Where people are of two minds the most frequent answer is nearly a matter of chance, and a
    temperature fitted on all faces is too careful on clear ones; fitted on clear ones alone, it is too
    sure of the others. So the faces with a majority count twice.

    Returns:
        The offset, the temperature, and as evidence the temperatures of five folds with the ECE of each
        question when every face gets offset and temperature of the folds without it.

    """
    asked = {q.name: q for q in questions(split, None) if q.head == head}
    rows = np.concatenate([np.flatnonzero(q.rows) for q in asked.values()])
    labels = np.concatenate([q.labels[q.rows] for q in asked.values()])
    fold_of = np.random.default_rng(0).permutation(len(split)) % _FOLDS
    fitted = []
    calibrated = np.empty_like(logits)
    for fold in range(_FOLDS):
        others = fold_of[rows] != fold
        offset, temperature = fit_balanced(logits[rows[others]], labels[others], shares, balance)
        fitted.append(temperature)
        own = fold_of == fold
        calibrated[own] = keras.ops.softmax((logits[own] + offset) / temperature)
    ece = {name: score(calibrated[q.rows], q.labels[q.rows])['ece'] for name, q in asked.items()}
    evidence = {'folds': [round(value, 4) for value in fitted], 'ece': ece}
    offset, temperature = fit_balanced(logits[rows], labels, shares, balance)
    return offset.round(4) + 0.0, round(temperature, 4), evidence


def export(
    run: Path,
    train: Dataset,
    validation: Dataset,
    out: Path,
    quantization: str = QUANTISATIONS[0],
    mirror: bool = True,
    balance: float = BALANCE,
) -> ModelMetadata:
    """
    Export the best model of a run, with temperatures fitted on `validation`.

    Args:
        run: folder that `train` wrote.
        train: split that it learned from, to know the twins and the range of values.
        validation: split that it is judged and calibrated on.
        out: folder for NAME.tflite, NAME.json and NAME_epochs.csv.
        quantization: one of `QUANTISATIONS`.
        mirror: the exported model asks for each face and its mirror image: twice the time.
        balance: of the crowd's answers, 0..1, see `calibration.fit_balanced`. The other head is left
            alone: it is there to be compared with the literature.

    Raises:
        ExportError: if the exported model answers differently from the trained one.
        RunError: if `run` is not the folder of a training.
        ValueError: if `balance` is not in 0..1.

    """
    if not 0 <= balance <= 1:
        raise ValueError(f'the balance is from 0 to 1, not {balance}')
    record = read_record(run)
    model = open_keras(run / 'best.keras')
    heads = tuple(head for head in HEADS if head in model.output_names)
    faces = validation.images[..., None].astype(np.float32)
    asked = for_the_robot(model, heads, mirror)
    predicted = np.concatenate(
        [np.asarray(asked(faces[at : at + _AT_ONCE])) for at in range(0, len(faces), _AT_ONCE)]
    )
    logits = {head: predicted[:, k] for k, head in enumerate(heads)}
    shares = _shares(train)
    calibrated = {
        head: _calibrate(
            head, logits[head], validation, shares, balance if head == HEADS[0] else 0.0
        )
        for head in heads
    }
    sample = np.random.default_rng(0).permutation(len(train))[:_CALIBRATION_IMAGES]
    blob = _convert(asked, quantization, train.images[sample])
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'{record["config"]["name"]}.tflite'
    partial = path.with_name(f'partial_{path.name}')
    description = ModelMetadata(
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
        description.write(partial.with_suffix('.json'))
        probabilities = {head: answers(partial, head, validation.images) for head in heads}
        for head in heads:
            adjusted = (logits[head] + description.offset[head]) / description.temperature[head]
            trained = np.asarray(keras.ops.softmax(adjusted))
            worst = float(np.abs(trained - probabilities[head]).max())
            if worst > _LARGEST_DIFFERENCE[quantization]:
                raise ExportError(
                    f'{head}: a probability of the exported model is off by {worst:.3f}'
                )
        description.scores.update(evaluate(probabilities, validation, train))
        description.write(partial.with_suffix('.json'))
        partial.replace(path)
        partial.with_suffix('.json').replace(path.with_suffix('.json'))
        shutil.copyfile(run / EPOCHS, training_record(path))
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix('.json').unlink(missing_ok=True)
    return description
