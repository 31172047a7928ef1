# SPDX-License-Identifier: Apache-2.0
"""The exceptions of this package; each message says what is wrong and what to do next."""


class ImageError(ValueError):
    """
    An image cannot be decoded or converted.

    Attributes:
        kind: the fault in a few words that are the same for every such image, so that
            diagnostics can count it.

    """

    def __init__(self, kind: str, message: str):
        """Create the error; `message` says what is wrong with this image, with the values."""
        super().__init__(message)
        self.kind = kind


class ModelError(ValueError):
    """A model file is missing or damaged, or does not fit its metadata."""


class DetectorError(RuntimeError):
    """A face detector cannot be created here; the message says what to install or pass."""


class SourceError(RuntimeError):
    """A camera, video or image file gives no frames; the message says what to check."""


class BagError(RuntimeError):
    """A recording cannot be read or written; the message says what to do."""


def one_line(text: object) -> str:
    """Return a name for a message: what is not printable, such as a line end, is escaped."""
    return ''.join(
        letter if letter.isprintable() else letter.encode('unicode_escape').decode()
        for letter in str(text)
    )


def is_unicode(name: object) -> bool:
    """Return whether a name can be given to OpenCV, which crashes on one of other bytes."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True
