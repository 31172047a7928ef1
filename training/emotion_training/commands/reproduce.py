# SPDX-License-Identifier: Apache-2.0
"""The subcommand `reproduce`: make the packaged model from a built dataset, teachers included."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from emotion_perception.arguments import whole_number
from emotion_perception.runtime.quiet import without_library_notes

_FULL = 'expression_full'


@dataclass(frozen=True)
class Step:
    """
    One training of the chain.

    Attributes:
        recipe: its name.
        teachers: recipes whose networks it learns from; `.tflite` behind one is its export.
        initial_weights: recipe or export whose weights it starts from; empty for random ones.
        quantization: of its export; empty if no later step needs one.
        mirror: whether the export averages face and mirror image.

    """

    recipe: str
    teachers: tuple[str, ...] = ()
    initial_weights: str = ''
    quantization: str = ''
    mirror: bool = False


STEPS = (
    Step('expression_teacher'),
    Step('expression_distilled', ('expression_teacher',)),
    Step('expression_loose_crop', ('expression_distilled',), 'expression_distilled'),
    Step('expression_large', ('expression_loose_crop',)),
    Step(
        _FULL,
        ('expression_large', 'expression_loose_crop'),
        'expression_loose_crop',
        quantization='int8',
        mirror=True,
    ),
    Step('expression_compact', (f'{_FULL}.tflite',), f'{_FULL}.tflite'),
    Step('expression_refined', (f'{_FULL}.tflite',), 'expression_compact', 'dynamic'),
    Step('expression_longer', (f'{_FULL}.tflite',), 'expression_refined.tflite', 'dynamic'),
    Step('expression_net', (f'{_FULL}.tflite',), 'expression_longer.tflite', 'dynamic'),
)
"""The chain to the packaged model, the last one."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'reproduce',
        help='make the packaged model: all trainings and exports; a repeated command resumes',
        description='Trains every network that leads to the packaged model, in order, and exports '
        'it. docs/model_card.md says how long each training took: hours on two cores.',
    )
    parser.add_argument('dataset', type=Path, help='folder made by build, with votes')
    parser.add_argument('--out', type=Path, required=True, help='folder for all runs and exports')
    parser.add_argument(
        '--teacher',
        type=Path,
        metavar='MODEL',
        help=f'begin with this export of {_FULL}, such as training/teacher/{_FULL}.tflite, in '
        'place of training it',
    )
    parser.add_argument(
        '--epochs', type=whole_number, help="of each training, instead of the recipes'"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    import dataclasses

    import keras

    from emotion_training.data.dataset import load
    from emotion_training.evaluate.evaluation import table
    from emotion_training.train.config import load_config

    with without_library_notes():
        from emotion_training.export import export
        from emotion_training.train.training import train

    def path(name: str) -> Path:
        """Return the network of a recipe, or its export."""
        stem = name.removesuffix('.tflite')
        if stem == name:
            return args.out / name / 'best.keras'
        if stem == _FULL and args.teacher:
            return args.teacher
        return args.out / 'exported' / stem / name

    skipped = [step.recipe for step in STEPS].index(_FULL) + 1 if args.teacher else 0
    splits = load(args.dataset, 'train'), load(args.dataset, 'validation')
    for number, step in enumerate(STEPS[skipped:], skipped + 1):
        config = load_config(step.recipe)
        if args.epochs:
            config = dataclasses.replace(config, epochs=args.epochs)
        print(f'{number} of {len(STEPS)}: {step.recipe}, {config.epochs} epochs', flush=True)
        train(
            config,
            args.dataset,
            args.out / step.recipe,
            [path(teacher) for teacher in step.teachers],
            path(step.initial_weights) if step.initial_weights else None,
        )
        exported = path(f'{step.recipe}.tflite')
        if step.quantization and not exported.exists():
            run_folder = args.out / step.recipe
            metadata = export(run_folder, *splits, exported.parent, step.quantization, step.mirror)
            print(table(metadata.scores), flush=True)
        # what TensorFlow keeps of one training would slow the next down
        keras.backend.clear_session()
    print(path(f'{STEPS[-1].recipe}.tflite'))
