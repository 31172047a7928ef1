"""From a trained .keras file to what the robot loads: a LiteRT file and its json."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.keras_backend import open_keras
from emotion_perception.model_description import HEADS, ModelDescription
from emotion_training.answers import answers
from emotion_training.calibration import fit_temperature
from emotion_training.dataset import Dataset
from emotion_training.evaluate import evaluate

QUANTISATIONS = ('int8', 'float16', 'float32')
_LARGEST_DIFFERENCE = {'float32': 1e-3, 'float16': 1e-2, 'int8': 0.4}
"""Largest accepted difference of a probability between the trained and the exported model."""
_CALIBRATION_IMAGES = 500


class ExportError(RuntimeError):
    """The exported model does not answer as the trained one does."""


def _convert(
    model: keras.Model, heads: tuple[str, ...], quantisation: str, images: np.ndarray
) -> bytes:
    """Return a LiteRT file that answers float32 [N, heads, 7]; `images` set the ranges of int8."""
    import tensorflow as tf

    face = keras.Input((48, 48, 1), name='face')
    answers = model(face)
    stacked = keras.ops.stack([answers[head] for head in heads], axis=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(face, stacked))
    if quantisation != 'float32':
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantisation == 'float16':
        converter.target_spec.supported_types = [tf.float16]
    if quantisation == 'int8':
        faces = images[..., None].astype(np.float32)
        converter.representative_dataset = lambda: ([face[None]] for face in faces)
    return converter.convert()


def _temperatures(logits: dict[str, np.ndarray], split: Dataset) -> dict[str, float]:
    """Fit each head on a split: the crowd's on what most people say, the other on the label."""
    seen = split.crowd_weight > 0
    fitted = {}
    for head, values in logits.items():
        if head == 'crowd':
            fitted[head] = fit_temperature(values[seen], split.crowd[seen].argmax(1))
        else:
            fitted[head] = fit_temperature(values, split.labels)
    return {head: round(value, 4) for head, value in fitted.items()}


def export(
    run: Path, train: Dataset, validation: Dataset, out: Path, quantisation: str = QUANTISATIONS[0]
) -> ModelDescription:
    """
    Export the best model of a run, with temperatures fitted on `validation`.

    Args:
        run: folder that `train` wrote.
        train: split that it learned from, to know the twins and the range of values.
        validation: split that it is judged and calibrated on.
        out: folder for NAME.tflite and NAME.json.
        quantisation: one of `QUANTISATIONS`.

    Raises:
        ExportError: if the exported model answers differently from the trained one.

    """
    record = json.loads((run / 'run.json').read_text())
    model = open_keras(run / 'best.keras')
    heads = tuple(head for head in HEADS if head in model.output_names)
    faces = validation.images[..., None].astype(np.float32)
    predicted = model.predict(faces, batch_size=512, verbose=0)
    logits = {head: np.asarray(predicted[head]) for head in heads}
    sample = np.random.default_rng(0).permutation(len(train))[:_CALIBRATION_IMAGES]
    blob = _convert(model, heads, quantisation, train.images[sample])
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'{record["config"]["name"]}.tflite'
    partial = path.with_name(f'partial_{path.name}')
    description = ModelDescription(
        name=path.stem,
        file=path.name,
        sha256=hashlib.sha256(blob).hexdigest(),
        labels=EMOTIONS,
        heads=heads,
        input={'side_px': 48, 'channels': 1, 'range': [0, 255]},
        temperature=_temperatures(logits, validation),
        parameters=int(model.count_params()),
        provenance=record | {'quantisation': quantisation},
    )
    try:
        partial.write_bytes(blob)
        description.write(partial.with_suffix('.json'))
        probabilities = {head: answers(partial, head, validation.images) for head in heads}
        for head in heads:
            trained = np.asarray(keras.ops.softmax(logits[head] / description.temperature[head]))
            worst = float(np.abs(trained - probabilities[head]).max())
            if worst > _LARGEST_DIFFERENCE[quantisation]:
                raise ExportError(
                    f'{head}: a probability of the exported model is off by {worst:.3f}'
                )
        description.scores.update(evaluate(probabilities, validation, train))
        description.write(partial.with_suffix('.json'))
        partial.replace(path)
        partial.with_suffix('.json').replace(path.with_suffix('.json'))
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix('.json').unlink(missing_ok=True)
    return description
