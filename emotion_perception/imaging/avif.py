# SPDX-License-Identifier: Apache-2.0
"""Orient avif images: OpenCV decodes them as their sensor lay, without rotation and mirror."""

import cv2
import numpy as np

_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


def is_avif(blob: bytes) -> bool:
    """Return whether the first box of a file (ISO/IEC 14496-12) has a brand of avif."""
    brands = blob[8 : int.from_bytes(blob[:4])]
    return blob[4:8] == b'ftyp' and (b'avif' in brands or b'avis' in brands)


def orient(image: np.ndarray, blob: bytes) -> np.ndarray:
    """
    Return an image as it is to be shown.

    Its boxes `irot` and `imir` say how, in this order (ISO/IEC 23008-12, 6.5.10 and 6.5.12); its
    Exif orientation is a note of what the camera did and does not count.

    Args:
        image: decoded without orientation, [H, W, C].
        blob: contents of the file.

    """
    properties = dict(_primary_properties(blob))
    turn = _TURNS.get(int.from_bytes(properties.get(b'irot', b'')) & 3)
    if turn is not None:
        image = cv2.rotate(image, turn)
    if b'imir' in properties:
        # 0 exchanges above and below, 1 left and right, as in OpenCV
        image = cv2.flip(image, int.from_bytes(properties[b'imir']) & 1)
    return image


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and content of each box; what is cut short ends the list."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        end = at + size if size else len(data)
        if end < at + head:
            break
        found.append((data[at + 4 : at + 8], data[at + head : end]))
        at = end
    return found


def _primary_properties(blob: bytes) -> list[tuple[bytes, bytes]]:
    """Return the properties of the image itself; thumbnails and further images have others."""
    meta = dict(_boxes(dict(_boxes(blob)).get(b'meta', b'')[4:]))
    lists = dict(_boxes(meta.get(b'iprp', b'')))
    properties, associations = _boxes(lists.get(b'ipco', b'')), lists.get(b'ipma', b'')
    primary = int.from_bytes(meta.get(b'pitm', b'')[4:])
    # a byte of version and three of flags, the number of items; then id, count and numbers of each
    id_size = 4 if associations[:1] > b'\0' else 2
    number_size = 2 if int.from_bytes(associations[3:4]) & 1 else 1
    at = 8
    while at + id_size < len(associations):
        item = int.from_bytes(associations[at : at + id_size])
        at += id_size
        end = at + 1 + associations[at] * number_size
        if item == primary:
            # the highest bit says that a reader must know the property
            highest = 0x80 << 8 * (number_size - 1)
            numbers = (
                int.from_bytes(associations[i : i + number_size]) & (highest - 1)
                for i in range(at + 1, end, number_size)
            )
            return [properties[n - 1] for n in numbers if 0 < n <= len(properties)]
        at = end
    return []
