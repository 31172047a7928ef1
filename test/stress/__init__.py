# SPDX-License-Identifier: Apache-2.0
"""Faults (`python -m stress.faults`) and a long run (`python -m stress.soak`)."""
