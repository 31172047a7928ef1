"""From a trained .keras file to what the robot loads: a LiteRT file and its json."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.model_description import HEADS, ModelDescription
from emotion_training.answers import answers
from emotion_training.calibration import fit_temperature
from emotion_training.dataset import Dataset
from emotion_training.evaluate import evaluate

_SAME_ANSWER = 0.01
"""Largest difference of a probability between the trained and the exported model."""


class ExportError(RuntimeError):
    """The exported model does not answer as the trained one does."""


def _convert(model: keras.Model) -> bytes:
    import tensorflow as tf

    face = keras.Input((48, 48, 1), name='face')
    answers = model(face)
    stacked = keras.ops.stack([answers[name] for name in HEADS], axis=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(face, stacked))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def export(run: Path, train: Dataset, validation: Dataset, out: Path) -> ModelDescription:
    """
    Export the best model of a run, with temperatures fitted on `validation`.

    Args:
        run: folder that `train` wrote.
        train: split that it learned from, to know the twins.
        validation: split that it is judged and calibrated on.
        out: folder for NAME.tflite and NAME.json.

    Raises:
        ExportError: if the exported model answers differently from the trained one.

    """
    record = json.loads((run / 'run.json').read_text())
    name = record['config']['name']
    model = keras.saving.load_model(run / 'best.keras', compile=False)
    faces = validation.images[..., None].astype(np.float32)
    logits = {
        head: np.asarray(value)
        for head, value in model.predict(faces, batch_size=512, verbose=0).items()
    }
    seen = validation.crowd_weight > 0
    temperature = {
        'crowd': fit_temperature(logits['crowd'][seen], validation.crowd[seen].argmax(1)),
        'fer2013': fit_temperature(logits['fer2013'], validation.labels),
    }
    blob = _convert(model)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'{name}.tflite'
    path.write_bytes(blob)
    description = ModelDescription(
        name=name,
        file=path.name,
        sha256=hashlib.sha256(blob).hexdigest(),
        labels=EMOTIONS,
        heads=HEADS,
        input={'side_px': 48, 'channels': 1, 'range': [0, 255]},
        temperature={head: round(value, 4) for head, value in temperature.items()},
        parameters=int(model.count_params()),
        provenance=record,
    )
    description.write(path.with_suffix('.json'))
    probabilities = {head: answers(path, head, validation.images) for head in HEADS}
    for head in HEADS:
        trained = np.asarray(keras.ops.softmax(logits[head] / temperature[head]))
        worst = float(np.abs(trained - probabilities[head]).max())
        if worst > _SAME_ANSWER:
            path.unlink()
            raise ExportError(f'{head}: a probability of the exported model is off by {worst:.3f}')
    description.scores.update(evaluate(probabilities, validation, train))
    description.write(path.with_suffix('.json'))
    return description
