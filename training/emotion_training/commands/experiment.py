# SPDX-License-Identifier: Apache-2.0
"""The subcommand `experiment`: repeat an experiment of docs/lab/experiments.md."""

import argparse
from pathlib import Path

from emotion_perception.arguments import whole_number
from emotion_training.experiments.variants import VARIANTS


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'experiment',
        help='repeat an experiment of docs/lab/experiments.md',
        description='filtering: does a filter of the labels help, and which? One small network on '
        'each training set, several seeds. study: Models 1 to 3 of the founding study on the '
        'images that DeepFace agrees with. architectures: networks of thirty million '
        'multiplications, trained alike. conditions: what carries over to pictures unlike '
        'those of the training. All take hours; repeat the command to resume.',
    )
    parser.add_argument(
        'experiment', choices=('filtering', 'study', 'architectures', 'conditions')
    )
    parser.add_argument('dataset', type=Path, help='folder made by build, with votes')
    parser.add_argument('--out', type=Path, required=True, help='folder of the experiment')
    parser.add_argument(
        '--weights',
        type=Path,
        help="DeepFace's facial_expression_model_weights.h5; default: the one in "
        '$DEEPFACE_HOME/.deepface/weights. Nothing is downloaded',
    )
    parser.add_argument('--epochs', type=whole_number, help='at most, instead of the recipes')
    parser.add_argument(
        '--seeds',
        type=whole_number,
        default=3,
        help='runs of each variant, architecture or way (3)',
    )
    filtering = parser.add_argument_group('filtering')
    filtering.add_argument(
        '--variant',
        action='append',
        choices=[variant.name for variant in VARIANTS],
        help='train only this one now; repeat it for several. What is finished is scored',
    )
    study = parser.add_argument_group('study')
    study.add_argument('--precision', help="Keras' dtype policy, such as mixed_bfloat16")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the experiment and print its table."""
    import json

    from emotion_training.experiments import (
        architecture_comparison,
        experiment_tables,
        filter_comparison,
        left_out_conditions,
        study,
    )

    seeds = range(1, args.seeds + 1)
    simple = {
        'architectures': (architecture_comparison.run, experiment_tables.architectures_table),
        'conditions': (left_out_conditions.run, experiment_tables.conditions_table),
    }
    if args.experiment in simple:
        run_experiment, table = simple[args.experiment]
        made = run_experiment(args.dataset, args.out, seeds, args.epochs)
        print(table(json.loads(made.read_text())))
        print(made)
        return
    if args.experiment == 'study':
        results = study.run(args.dataset, args.out, args.weights, args.epochs, args.precision)
        print(experiment_tables.study_table(json.loads(results.read_text())))
        print(results)
        return
    names = args.variant or [variant.name for variant in VARIANTS]
    written = filter_comparison.run(
        args.dataset, args.out, args.weights, seeds, names, args.epochs
    )
    if written:
        print(experiment_tables.filtering_table(json.loads(written.read_text())))
        print(written)
