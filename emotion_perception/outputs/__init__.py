"""The same faces in messages that others defined; each on only where it is asked for and its package is there."""
