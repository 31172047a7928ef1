"""Run as `python -m reliability.soak`."""

import sys

from reliability.soak.command import main

sys.exit(main())
