"""Run as `python -m stress.faults`."""

import sys

from stress.faults.command import main

sys.exit(main())
