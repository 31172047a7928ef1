"""The experiments of docs/lab/experiments.md: each module repeats one of them."""
