# SPDX-License-Identifier: Apache-2.0
"""`python3 -m emotion_perception.doctor`, where the command itself is not installed."""

import sys

from emotion_perception.doctor.cli import main

sys.exit(main())
