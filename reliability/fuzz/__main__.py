"""Run `python -m reliability.fuzz`."""

import sys

from reliability.fuzz import main

if __name__ == '__main__':
    sys.exit(main())
