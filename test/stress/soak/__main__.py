"""Run as `python -m stress.soak`."""

import sys

from stress.soak.command import main

sys.exit(main())
