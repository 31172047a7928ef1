"""Training recipes: each module has a docstring with its command and figures, and a `config`."""
