# SPDX-License-Identifier: Apache-2.0
"""How much detail of a face an image shows."""

import cv2


def detail(image, box, top=0, border=0):
    """
    Return the variance of the Laplacian inside a box, which measures edges.

    Args:
        image: BGR uint8.
        box: x, y, width and height.
        top: pixels left out there, where a label may be drawn.
        border: pixels left out at the other sides, where the box may be drawn.

    """
    x, y, w, h = map(int, box)
    inner = image[y + (top or border) : y + h - border, x + border : x + w - border]
    return float(cv2.Laplacian(cv2.cvtColor(inner, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())
