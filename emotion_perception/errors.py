"""What can go wrong, one class for each kind; the message says what to do."""


class ImageError(ValueError):
    """An image that cannot be read; `kind` names the fault in a few words that are the same for each such image."""

    def __init__(self, kind: str, message: str):
        """
        Take the kind of fault, and the message for this image.

        Args:
            kind: key under which such faults are counted.
            message: what is wrong with this image.

        """
        super().__init__(message)
        self.kind = kind


class ModelError(ValueError):
    """A model file that is missing, damaged or does not fit its metadata."""


class DetectorError(RuntimeError):
    """A detector that cannot be made on this machine; the message says what to install or pass."""


class SourceError(RuntimeError):
    """A camera, video or image file that gives no frames; the message says what to check."""


class BagError(RuntimeError):
    """A recording that cannot be read or written; the message says what to do."""
