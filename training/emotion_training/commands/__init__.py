# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `emotion-training`, a module each: `add_parser` and `run`. Heavy imports wait for `run`."""
