"""The subcommand `filter`: keep the training images whose label others see too."""

import argparse
import shutil
from functools import partial
from pathlib import Path

from emotion_training.filtering import AGREEMENTS, METHODS, PRUNINGS


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'filter', help='keep the training images whose label others see too',
        description='Write a dataset whose training split holds only the images that the chosen '
        'methods keep. Validation and test are carried over as they are. Beside the images: '
        'verdicts.csv (every training image, its verdict and why), removed.png, filter.json.',
    )  # fmt: skip
    parser.add_argument('dataset', type=Path, help='folder that build made; it is not changed')
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--method', action='append', required=True, choices=METHODS,
        help='how to judge; repeat it to combine several',
    )  # fmt: skip
    parser.add_argument(
        '--combine', default='all', choices=('all', 'any'),
        help='an image stays if all methods keep it (default), or if any of them does',
    )  # fmt: skip

    votes = parser.add_argument_group('votes', 'the ten people of FER+ see the label too')
    votes.add_argument(
        '--agreement', default=AGREEMENTS[0], choices=AGREEMENTS,
        help='plurality (default): no other answer has more votes than the label; majority: more '
        'than half name it; soft: at least --min-share do, whatever the others say',
    )  # fmt: skip
    votes.add_argument(
        '--min-share', type=float, default=0.3, help='share of the votes for soft (0.3)'
    )
    votes.add_argument(
        '--keep-unclear', action='store_true',
        help='also keep images of which more than half say "unknown" or "no face"',
    )  # fmt: skip

    confident = parser.add_argument_group(
        'confident-learning', 'cleanlab finds no label issue, over out-of-fold predictions'
    )
    confident.add_argument('--folds', type=int, default=4, help='trainings (4)')
    confident.add_argument('--epochs', type=int, default=12, help='of each training (12)')
    confident.add_argument('--seed', type=int, default=1, help='of folds and trainings (1)')
    confident.add_argument(
        '--predictions', type=Path,
        help='npz with ready out-of-fold predictions, as an earlier filter left it in its folder',
    )  # fmt: skip
    confident.add_argument(
        '--prune', default=PRUNINGS[0], choices=PRUNINGS,
        help="cleanlab's filter_by (%(default)s)",
    )  # fmt: skip

    deepface = parser.add_argument_group('deepface', "DeepFace's emotion network sees the label")
    deepface.add_argument(
        '--weights', type=Path,
        help='facial_expression_model_weights.h5; else it is looked for in '
        '$DEEPFACE_HOME/.deepface/weights. Nothing is downloaded',
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Filter and print the counts; the folds' answers stay beside --out until it is complete."""
    from emotion_training.filtering import apply as filtering
    from emotion_training.filtering.verdicts import Method

    work = args.out.with_name(args.out.name + '.work')
    makers = {'votes': _votes, 'deepface': _deepface, 'confident-learning': _confident_learning}
    methods: list[Method] = [makers[name](args, work) for name in dict.fromkeys(args.method)]
    print(filtering.table(filtering.filter_dataset(args.dataset, args.out, methods, args.combine)))
    shutil.rmtree(work, ignore_errors=True)


def _votes(args: argparse.Namespace, _: Path):
    from emotion_training.filtering.votes import judge

    return partial(
        judge,
        agreement=args.agreement,
        min_share=args.min_share,
        keep_unclear=args.keep_unclear,
    )


def _deepface(args: argparse.Namespace, _: Path):
    from emotion_training.filtering import deepface_agreement as deepface

    weights = deepface.find_weights(args.weights)
    return partial(
        deepface.judge,
        classify=partial(deepface.classify, weights=weights),
        weights=deepface.describe(weights),
    )


def _confident_learning(args: argparse.Namespace, work: Path):
    from emotion_training.filtering import out_of_fold, predictions
    from emotion_training.filtering.confident_learning import judge

    if args.predictions:
        return partial(
            judge, predict=partial(predictions.read, args.predictions), prune=args.prune
        )
    return partial(
        judge,
        predict=partial(
            out_of_fold.predict,
            work=work,
            folds=args.folds,
            epochs=args.epochs,
            seed=args.seed,
        ),
        prune=args.prune,
    )
