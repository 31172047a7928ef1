"""The time of each image of a stream, whatever its stamps are like: it never stands still and never runs back."""

MAX_DISORDER_S = 0.5
"""An image whose stamp lies farther than this before the newest one belongs to another time."""


class MonotonicStamps:
    """
    Turns stamps into seconds that the smoothing over images can rest on.

    Stamps decide while they run forward. A stamp that is the same as before (a camera that sets none, a
    clock that is paused) leaves it to the time of arrival. One that is a little older than the newest
    (images that overtook each other, two cameras whose clocks differ) takes no time. Where stamps jump
    back, as at a recording's second round, time begins anew.
    """

    def __init__(self) -> None:
        """Begin before the first image."""
        self.jumps_back = 0
        self._newest_s: float | None = None
        self._arrived_s = 0.0
        self._now_s = 0.0

    def to_monotonic_s(self, stamp_s: float, arrived_s: float) -> float:
        """
        Return the time of an image in seconds: of any origin, and not before that of the image before.

        Where `jumps_back` has grown, it has nothing to do with the times before.

        Args:
            stamp_s: of the image; 0 where it has none.
            arrived_s: when it came, on a clock that never stands still, such as the monotonic one.

        """
        waited_s, self._arrived_s = arrived_s - self._arrived_s, arrived_s
        if self._newest_s is None:
            self._newest_s = stamp_s
            return self._now_s
        step_s = stamp_s - self._newest_s
        if step_s < -MAX_DISORDER_S:
            self.jumps_back += 1
        elif step_s == 0:
            self._now_s += max(waited_s, 0.0)
        else:
            self._now_s += max(step_s, 0.0)
        if step_s > 0 or step_s < -MAX_DISORDER_S:
            self._newest_s = stamp_s
        return self._now_s
