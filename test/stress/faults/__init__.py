# SPDX-License-Identifier: Apache-2.0
"""Faults and hostile use, tried on the running node: what was tried and what was lost."""
