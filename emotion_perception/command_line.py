"""Where the command `emotion-perception` begins: its doctor runs even where the rest cannot be loaded."""

import sys


def main() -> int:
    """Run one subcommand and return its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ['doctor']:
        from emotion_perception.doctor import cli

        return cli.main(arguments[1:])
    try:
        from emotion_perception import cli
    except ImportError as error:
        print(
            f'emotion-perception: {error}; `emotion-perception doctor` says what is missing',
            file=sys.stderr,
        )
        return 2
    return cli.main(arguments)


if __name__ == '__main__':
    sys.exit(main())
