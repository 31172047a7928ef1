# SPDX-License-Identifier: Apache-2.0
"""The subcommand `filter`: keep the training images whose label is confirmed."""

import argparse
import shutil
from functools import partial
from pathlib import Path

from emotion_training.filtering import AGREEMENTS, METHODS, PRUNINGS


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'filter', help='keep the training images whose label is confirmed',
        description='Write a dataset whose training split contains only the images that the '
        'methods keep. Validation and test are copied unchanged. Also written: decisions.csv '
        '(every training image, the decision and the reason), removed.png, filter.json.',
    )  # fmt: skip
    parser.add_argument('dataset', type=Path, help='folder made by build; it is not changed')
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--method', action='append', required=True, choices=METHODS,
        help='filter method; repeat it to combine several',
    )  # fmt: skip
    parser.add_argument(
        '--combine', default='all', choices=('all', 'any'),
        help='keep an image if all methods keep it (default), or if any of them does',
    )  # fmt: skip

    votes = parser.add_argument_group('votes', 'the ten FER+ annotators agree with the label')
    votes.add_argument(
        '--agreement', default=AGREEMENTS[0], choices=AGREEMENTS,
        help='plurality (default): no other column has more votes than the label; majority: more '
        'than half of the votes; soft: at least --min-share of the votes',
    )  # fmt: skip
    votes.add_argument(
        '--min-share', type=float, default=0.3, help='fraction of the votes for soft (0.3)'
    )
    votes.add_argument(
        '--keep-unclear', action='store_true',
        help='also keep images with more than half of the votes for "unknown" or "no face"',
    )  # fmt: skip

    confident = parser.add_argument_group(
        'confident-learning', 'cleanlab finds no label issue in out-of-fold predictions'
    )
    confident.add_argument('--folds', type=int, default=4, help='number of trainings (4)')
    confident.add_argument('--epochs', type=int, default=12, help='of each training (12)')
    confident.add_argument('--seed', type=int, default=1, help='of folds and trainings (1)')
    confident.add_argument(
        '--predictions', type=Path,
        help='npz with existing out-of-fold predictions, as written by an earlier filter',
    )  # fmt: skip
    confident.add_argument(
        '--prune', default=PRUNINGS[0], choices=PRUNINGS,
        help="cleanlab's filter_by (%(default)s)",
    )  # fmt: skip

    deepface = parser.add_argument_group('deepface', "DeepFace's network predicts the label")
    deepface.add_argument(
        '--weights', type=Path,
        help='facial_expression_model_weights.h5; default: the one in '
        '$DEEPFACE_HOME/.deepface/weights. Nothing is downloaded',
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Filter and print the counts; the folds' predictions are kept until --out is complete."""
    from emotion_training.filtering.filtered_dataset import filter_dataset

    work = args.out.with_name(args.out.name + '.work')
    methods = [_method(name, args, work) for name in dict.fromkeys(args.method)]
    print(filter_dataset(args.dataset, args.out, methods, args.combine).text())
    shutil.rmtree(work, ignore_errors=True)


def _method(name: str, args: argparse.Namespace, work: Path):
    """Return the method with its options; only its own modules are imported."""
    if name == 'votes':
        from emotion_training.filtering import votes

        return partial(
            votes.decide,
            agreement=args.agreement,
            min_share=args.min_share,
            keep_unclear=args.keep_unclear,
        )
    if name == 'deepface':
        from emotion_training.filtering import deepface_agreement

        return deepface_agreement.method(args.weights)
    from emotion_training.filtering import confident_learning, out_of_fold, predictions

    predict = partial(
        out_of_fold.predict, work=work, folds=args.folds, epochs=args.epochs, seed=args.seed
    )
    if args.predictions:
        predict = partial(predictions.read, args.predictions)
    return partial(confident_learning.decide, predict=predict, prune=args.prune)
