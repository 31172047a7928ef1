"""Faults tried against the running node, each family in a module of its own: what was tried, what was lost."""
