# SPDX-License-Identifier: Apache-2.0
"""The measurements of a model card: records as json, figures, and the card's tables."""

from pathlib import Path
from typing import Any

from emotion_perception.runtime.tflite_file import multiplications, read_graph
from emotion_training.data.dataset import load
from emotion_training.evaluate import (
    adaptation_scores,
    both_heads,
    corruption_scores,
    report_plots,
    scene_scores,
    sensitivity,
)
from emotion_training.evaluate.evaluation import FER2013_LABEL, MAJORITY, publishable, report_data
from emotion_training.evaluate.metrics import markdown, percent
from emotion_training.files import write_json
from emotion_training.train.epoch_log import draw_curves, training_record

_THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)


def measure(model: Path, dataset: Path, records: Path, images: Path) -> list[Path]:
    """
    Make all measurements of the card on the validation split; return the paths of the files.

    No file shows an image of the dataset.

    Args:
        model: .tflite with its json.
        dataset: folder made by build, with votes.
        records: folder for model_scores.json and model_robustness.json.
        images: folder for the figures.

    Raises:
        DatasetError, ModelError, DetectorError: if one of them cannot be used.

    """
    split = load(dataset, 'validation')
    scores = publishable(report_data([model], dataset, 'validation', split, dataset))
    robustness = {
        'corruptions': corruption_scores.measure(model, split),
        'scenes': scene_scores.measure(model, split),
        'sensitivity': sensitivity.measure(model, split),
        'adaptation': adaptation_scores.measure(model, split),
        'both_heads': both_heads.measure(model, split),
    }
    write_json(records / 'model_scores.json', scores)
    write_json(records / 'model_robustness.json', robustness)
    row = scores['models'][0]['questions'][MAJORITY]
    figures = {
        'model_confusion.png': report_plots.confusion(row['confusion'], scores['labels']),
        'model_reliability.png': report_plots.reliability(row['reliability'], row['ece']),
        'model_risk_coverage.png': report_plots.risk_coverage(row['risk_coverage']),
    }
    images.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        (images / name).write_bytes(figure)
    corruption_scores.draw(robustness['corruptions'], images / 'model_robustness.png')
    draw_curves(training_record(model), images / 'model_training.png')
    written = [
        *(records / f'model_{name}.json' for name in ('scores', 'robustness')),
        *(images / name for name in (*figures, 'model_robustness.png', 'model_training.png')),
    ]
    return [path for path in written if path.exists()]


def scores_table(scores: dict[str, Any]) -> str:
    """Return accuracy, macro recall, log loss and ECE against each reference, with intervals."""
    rows = []
    for name, row in scores['models'][0]['questions'].items():
        cells = [name, row['images']]
        for score in ('accuracy', 'macro_recall'):
            low, high = row['intervals'][score]
            cells.append(f'{percent(row[score], 2)} ({percent(low)} .. {percent(high)})')
        rows.append([*cells, f'{row["log_loss"]:.3f}', percent(row['ece'], 2)])
    return markdown(rows, ['', 'images', 'accuracy', 'macro recall', 'log loss', 'ECE'])


def class_table(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 of each expression, for labels and majority."""
    by_reference = scores['models'][0]['questions']
    rows = [[label] for label in scores['labels']]
    headers = ['']
    for name in (FER2013_LABEL, MAJORITY):
        headers += [f'{name}: images', 'precision', 'recall', 'F1']
        for cells in rows:
            values = by_reference[name]['per_class'][cells[0]]
            cells += [str(values['support'])]
            cells += [percent(values[key]) for key in ('precision', 'recall', 'f1')]
    return markdown(rows, headers)


def coverage_table(scores: dict[str, Any], reference: str = MAJORITY) -> str:
    """Return coverage and accuracy at thresholds of `uncertain_below`, and at 80 % coverage."""
    curve = scores['models'][0]['questions'][reference]['risk_coverage']

    def row(threshold: float, point: int | None) -> list[str]:
        if point is None:
            return [f'{threshold:.2f}', '0.0', '']
        covered = percent(curve['coverage'][point]), percent(1 - curve['risk'][point])
        return [f'{threshold:.2f}', *covered]

    eighty = min(
        range(len(curve['coverage'])), key=lambda point: abs(curve['coverage'][point] - 0.8)
    )
    rows = [row(curve['threshold'][eighty], eighty)]
    for threshold in _THRESHOLDS:
        points = [k for k, lowest in enumerate(curve['threshold']) if lowest >= threshold]
        rows.append(row(threshold, points[-1] if points else None))
    return markdown(sorted(rows), ['`uncertain_below`', 'coverage', 'accuracy of these'])


def facts_table(metadata: dict[str, Any], file: bytes) -> str:
    """Return a table about the model file, from its json and its contents."""
    provenance = metadata['provenance']
    recipe = provenance['config']
    framework = (
        f'PyTorch {provenance["torch"]}'
        if provenance.get('torch')
        else f'Keras {provenance["keras"]} on {provenance["backend"]}'
    )
    trained = (
        f'{provenance["train_images"]:,} images, {recipe["epochs"]} epochs, '
        f'seed {recipe["seed"]}, '
        f'{framework}'
    )
    megabytes = f'a file of {len(file) / 1e6:.1f} MB, {provenance["quantization"]}'
    millions = multiplications(read_graph(file)) / 1e6
    rows = [
        ['size', f'{metadata["parameters"]:,} parameters; {megabytes}'],
        ['cost of a face', f'{millions:.1f} million multiplications'],
        ['sha256', f'`{metadata["sha256"]}`'],
        ['balance of the crowd head', f'{provenance["balance"]:g}'],
        ['trained on', trained],
    ]
    sources = [('teacher', digest) for digest in provenance.get('teachers_sha256') or []]
    if provenance.get('initial_weights_sha256'):
        sources.append(('initial weights', provenance['initial_weights_sha256']))
    rows += [[name, f'the file with the sha256 `{digest}`'] for name, digest in sources]
    return markdown(rows, ['', ''])


def calibration_table(metadata: dict[str, Any]) -> str:
    """Return the temperature of each head and of the folds, and the cross-validated ECE."""
    rows = [
        [
            head,
            f'{metadata["temperature"][head]:.3f}',
            f'{min(evidence["folds"]):.3f} .. {max(evidence["folds"]):.3f}',
            ', '.join(f'{name}: {percent(ece, 2)}' for name, ece in evidence['ece'].items()),
        ]
        for head, evidence in metadata['provenance']['calibration'].items()
    ]
    return markdown(rows, ['head', 'temperature', 'of the folds', 'ECE, cross-validated'])
