# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `emotion-training`; heavy libraries are imported only by `run`."""
