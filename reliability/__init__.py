"""What the node survives: faults, hostile input and long runs, tried and counted (docs/reliability.md)."""
