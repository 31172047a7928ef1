"""Does the node grow: people come and go before a camera for half an hour, and everything is watched."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if nothing grew."""
    from stress.soak.command import main as run

    return run(arguments)
