"""Measures the node, and what others offer, on this machine: `make bench`."""
