"""Inference engines and the metadata that comes with a model."""
