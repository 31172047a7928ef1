"""Everything that a model card says of a model, measured: records as json, and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_training import markdown
from emotion_training.data.dataset import load
from emotion_training.evaluate import corruption_scores, report_plots, scene_scores
from emotion_training.evaluate.assessment import publishable, report_data
from emotion_training.evaluate.evaluation import is_main
from emotion_training.files import write_json, write_whole
from emotion_training.markdown import percent
from emotion_training.train.epoch_log import draw_curves, training_record

MAIN_QUESTION = 'FER+ majority'
_THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def measure(model: Path, dataset: Path, records: Path, images: Path) -> list[Path]:
    """
    Score a model on the validation split in every way that the card shows; return what was written.

    Nothing that is written shows a picture of the dataset.

    Args:
        model: file that the robot could load.
        dataset: folder that build made, with votes.
        records: folder for model_scores.json and model_robustness.json.
        images: folder for the figures.

    Raises:
        DatasetError, ModelError, DetectorError: if one of them cannot be used here.

    """
    split = load(dataset, 'validation')
    scores = publishable(report_data([model], dataset, 'validation', split, dataset))
    robustness = {
        'corruptions': corruption_scores.measure(model, split),
        'scenes': scene_scores.measure(model, split),
    }
    written = {
        records / 'model_scores.json': scores,
        records / 'model_robustness.json': robustness,
    }
    for path, values in written.items():
        write_json(path, values)
    images.mkdir(parents=True, exist_ok=True)
    found = scores['models'][0]['questions'][MAIN_QUESTION]
    figures = {
        'model_confusion.png': report_plots.confusion(found['confusion'], scores['labels']),
        'model_reliability.png': report_plots.reliability(found['reliability'], found['ece']),
        'model_risk_coverage.png': report_plots.risk_coverage(found['risk_coverage']),
    }
    for name, themes in figures.items():
        write_whole(images / name, themes['light'])
    corruption_scores.draw(robustness['corruptions'], images / 'model_robustness.png')
    draw_curves(training_record(model), images / 'model_training.png')
    names = (*figures, 'model_robustness.png', 'model_training.png')
    return [*written, *(path for path in map(images.joinpath, names) if path.exists())]


def _questions(scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return scores['models'][0]['questions']


def scores_table(scores: dict[str, Any]) -> str:
    """Return accuracy, macro recall, log loss and ECE of each question, with intervals."""
    rows = []
    for name, row in _questions(scores).items():
        cells = []
        for score in ('accuracy', 'macro_recall'):
            low, high = row['intervals'][score]
            cells.append(f'{percent(row[score], 2)} ({percent(low)} .. {percent(high)})')
        rows.append((name, str(row['images']), *cells, f'{row["log_loss"]:.3f}', percent(row['ece'], 2)))  # fmt: skip
    heading = '', 'images', 'accuracy', 'macro recall', 'log loss', 'ECE'
    return '\n'.join(markdown.table(heading, rows))


def class_table(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 of each expression, for the questions that are no subset of another."""
    shown = {name: row for name, row in _questions(scores).items() if is_main(name)}
    heading = ['']
    for name in shown:
        heading += [f'{name}: images', 'precision', 'recall', 'F1']
    rows = []
    for label in scores['labels']:
        cells = [label]
        for row in shown.values():
            found = row['per_class'][label]
            cells.append(str(found['support']))
            cells += [percent(found[key]) for key in ('precision', 'recall', 'f1')]
        rows.append(cells)
    return '\n'.join(markdown.table(heading, rows))


def coverage_table(scores: dict[str, Any], question: str = MAIN_QUESTION) -> str:
    """Return how many faces are answered, and how many of these rightly, at thresholds of `uncertain_below`."""
    curve = _questions(scores)[question]['risk_coverage']
    rows = [_at_threshold(curve, threshold) for threshold in _THRESHOLDS]
    eighty = curve['coverage'].index(min(curve['coverage'], key=lambda c: abs(c - 0.8)))
    rows.append((f'{curve["threshold"][eighty]:.2f}', percent(curve['coverage'][eighty]), percent(1 - curve['risk'][eighty])))  # fmt: skip
    heading = '`uncertain_below`', 'answered', 'right of these'
    return '\n'.join(markdown.table(heading, sorted(rows)))


def _at_threshold(curve: dict[str, Sequence[float]], threshold: float) -> tuple[str, str, str]:
    """Return the last point of the curve whose answers are all at least as confident as `threshold`."""
    given = [k for k, lowest in enumerate(curve['threshold']) if lowest >= threshold]
    if not given:
        return f'{threshold:.2f}', '0.0', ''
    return (
        f'{threshold:.2f}',
        percent(curve['coverage'][given[-1]]),
        percent(1 - curve['risk'][given[-1]]),
    )


def facts_table(description: dict[str, Any], size: int) -> str:
    """Return a table about the file itself, from its json and its size in bytes."""
    made = description['provenance']
    parameters, recipe = description['parameters'], made['config']
    by = (
        f'PyTorch {made["torch"]}'
        if made.get('torch')
        else f'Keras {made["keras"]} on {made["backend"]}'
    )
    rows = [
        (
            'size',
            f'{parameters:,} parameters; a file of {size / 1e6:.1f} MB, {made["quantization"]}',
        ),
        ('sha256', f'`{description["sha256"]}`'),
        ('balance of the crowd', f'{made["balance"]:g}'),
        (
            'learned from',
            f'{made["train_images"]:,} images, {recipe["epochs"]} passes, seed {recipe["seed"]}, {by}',
        ),
    ]
    before = [('taught by', digest) for digest in made.get('teachers_sha256') or []]
    if made.get('initial_weights_sha256'):
        before.append(('began with', made['initial_weights_sha256']))
    rows += [
        (heading, f'the .keras file with the sha256 `{digest}`') for heading, digest in before
    ]
    return '\n'.join(markdown.table(('', ''), rows))


def calibration_table(description: dict[str, Any]) -> str:
    """Return the temperature of each head and of the folds, and the ECE with the folds' temperatures."""
    evidence = description['provenance']['calibration']
    rows = [
        (
            head,
            f'{description["temperature"][head]:.3f}',
            f'{min(found["folds"]):.3f} .. {max(found["folds"]):.3f}',
            ', '.join(f'{name}: {percent(ece, 2)}' for name, ece in found['ece'].items()),
        )
        for head, found in evidence.items()
    ]
    heading = 'head', 'temperature', 'of the folds', "ECE with the folds' temperatures"
    return '\n'.join(markdown.table(heading, rows))
