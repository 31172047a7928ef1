"""Faults and long runs against the real node, at full length: `make test-all`, `make faults`, `make soak`."""
