"""Run as `python -m reliability.faults`."""

import sys

from reliability.faults.command import main

sys.exit(main())
