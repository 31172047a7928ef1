"""Try long and hard what the tests try in short: `python -m reliability PART [options]`."""

import importlib
import sys

PARTS = {
    'faults': 'what breaks around the node and in it: processes, models, disks, clocks, neighbours',
    'fuzz': 'input that nobody would send: messages, pictures, recordings, parameters, models',
    'soak': 'half an hour at 30 Hz with people coming and going: does anything grow',
}


def main(arguments: list[str] | None = None) -> int:
    """Run one part; its exit status is returned: 0 if all held, 1 if not, 2 if it could not be run."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] not in PARTS:
        about = '\n'.join(f'  {name:<8} {text}' for name, text in PARTS.items())
        asked = given[:1] in (['-h'], ['--help'])
        wrong = '' if asked or not given else f'there is no part {given[0]!r}\n'
        print(
            f'{wrong}usage: python -m reliability PART [options]; PART --help tells its options\n{about}',
            file=sys.stdout if asked else sys.stderr,
        )
        return 0 if asked else 2
    return importlib.import_module(f'reliability.{given[0]}').main(given[1:]) or 0


if __name__ == '__main__':
    sys.exit(main())
