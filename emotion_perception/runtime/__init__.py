# SPDX-License-Identifier: Apache-2.0
"""Inference engines and the metadata that comes with a model."""
