"""What goes wrong with recordings."""


class BagError(RuntimeError):
    """A recording that cannot be read or written as asked; the message is one line that says why."""
