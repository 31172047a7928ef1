"""The experiments of docs/experiments.md: each module repeats one of them."""
