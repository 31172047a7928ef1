"""Faults tried against the running node, each family in a module of its own: what was tried, what was lost."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if nothing was lost."""
    from stress.faults.command import main as run

    return run(arguments)
