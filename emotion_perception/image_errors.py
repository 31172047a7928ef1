"""What is wrong with images, and how large they may be."""

MAX_PIXELS = 100_000_000
"""Images that claim more are refused before anything is allocated for them."""


class ImageError(ValueError):
    """An image that cannot be read; the message says what is wrong with it, `kind` what sort of fault."""

    def __init__(self, kind: str, message: str):
        """Take a few words that are the same for each such image, and a message for this one."""
        super().__init__(message)
        self.kind = kind


def refuse_too_large(what: str, width: int, height: int) -> None:
    """
    Spare whoever would allocate what a header claims, however short the data is.

    Raises:
        ImageError: if it claims more than `MAX_PIXELS`.

    """
    if width * height > MAX_PIXELS:
        raise ImageError(
            'image too large',
            f'the {what} claims {width}x{height} pixels, more than {MAX_PIXELS}',
        )
