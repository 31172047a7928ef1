# SPDX-License-Identifier: Apache-2.0
"""The experiments of docs/lab/experiments.md: each module repeats one of them."""
