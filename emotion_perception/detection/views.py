# SPDX-License-Identifier: Apache-2.0
"""Views: the square parts of an image in which a detector searches for faces of some sizes."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FAR_TILE_PX = 405
"""Longest side of a far view: in 192 pixels of a network a face of 20 is then 9.5 pixels wide."""

MAX_FAR_VIEWS = 8
"""In larger images the far views are larger, and the smallest faces stay unseen."""

_OVERLAP = 0.1
"""Far views overlap by this part of the image's longer side: a face on their border is in one."""

_NEAR_MARGIN = 1.5
"""The near view shows the image with a margin, because a face may be larger than the image."""


@dataclass(frozen=True)
class View:
    """
    A square of an image, perhaps rotated.

    Attributes:
        kind: ``'whole'``, ``'near'`` (the whole image with a margin, for large faces), ``'far'``
            (a part of the image, for small faces) or ``'turned'`` (the whole image, rotated).
        center: x, y in pixels.
        side: in pixels; may reach outside the image.
        angle_deg: clockwise rotation of the faces that stand upright in the view.

    """

    kind: str
    center: tuple[float, float]
    side: float
    angle_deg: float = 0.0


def upright_views(width: int, height: int) -> tuple[View, ...]:
    """Return the views that together show the upright faces of all sizes in an image."""
    center, side = (width / 2, height / 2), float(max(width, height))
    views = View('whole', center, side), View('near', center, _NEAR_MARGIN * side)
    columns, rows, tile = _far_grid(width, height)
    if columns * rows == 1:
        return views
    return views + tuple(
        View('far', (x, y), tile)
        for y in _tile_centers(height, rows, tile)
        for x in _tile_centers(width, columns, tile)
    )


def turned_views(width: int, height: int) -> tuple[View, ...]:
    """Return the views for a camera or a head on its side or upside down."""
    center, side = (width / 2, height / 2), float(max(width, height))
    return tuple(View('turned', center, side, angle) for angle in (90.0, -90.0, 180.0))


def _far_grid(width: int, height: int) -> tuple[int, int, float]:
    """Return columns, rows and side of the fewest far views that are small enough."""
    overlap = _OVERLAP * max(width, height)
    grids = []
    for columns in range(1, MAX_FAR_VIEWS + 1):
        for rows in range(1, MAX_FAR_VIEWS // columns + 1):
            side = max(
                (width + (columns - 1) * overlap) / columns, (height + (rows - 1) * overlap) / rows
            )
            grids.append((side > FAR_TILE_PX, math.ceil(side), columns, rows, side))
    small = [grid for grid in grids if not grid[0]]
    if small:
        _, _, columns, rows, side = min(small, key=lambda grid: (grid[2] * grid[3], grid[1]))
    else:
        _, _, columns, rows, side = min(grids, key=lambda grid: (grid[1], grid[2] * grid[3]))
    return columns, rows, side


def _tile_centers(length: int, count: int, side: float) -> list[float]:
    if count == 1:
        return [length / 2]
    step = (length - side) / (count - 1)
    return [side / 2 + index * step for index in range(count)]


class ViewCycle:
    """The order in which the views of a stream's images are searched."""

    def __init__(self, upright: Sequence[View], turned: Sequence[View]):
        """
        Start with the first upright view.

        Args:
            upright: views that together show the upright faces of all sizes.
            turned: views for turned faces; may be empty.

        """
        self.upright = tuple(upright)
        self._turned = itertools.cycle(turned)
        self._idle = self._idle_cycle()
        self._tracking = self._tracking_cycle(turned)

    def next_idle(self, count: int) -> list[View]:
        """Return the next views while nobody is tracked: one turned view after all upright."""
        return list(itertools.islice(self._idle, count))

    def next_turned(self) -> list[View]:
        """Return the next turned view; nothing if there is none."""
        return list(itertools.islice(self._turned, 1))

    def next_tracking(self) -> View:
        """Return the next view beside tracked faces: the whole image every other time."""
        return next(self._tracking)

    def _idle_cycle(self) -> Iterator[View]:
        while True:
            yield from self.upright
            yield from self.next_turned()

    def _tracking_cycle(self, turned: Sequence[View]) -> Iterator[View]:
        whole, *others = *self.upright, *turned
        for view in itertools.cycle(others or [whole]):
            yield whole
            yield view
