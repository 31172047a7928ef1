"""What a soak leaves: samples of the node, and counts."""

from dataclasses import dataclass, field

from stress.soak.visits import Programme


@dataclass(frozen=True)
class Sample:
    """
    The node at one moment, and what happened since the sample before.

    Attributes:
        time_s: since the first answer.
        picture: number of the newest picture that was answered.
        resident_mb, anonymous_mb, shared_mb, file_mb: memory; the first is the sum of the others.
        threads, handles, mappings: of the process; handles are file descriptors.
        endpoints: publishers, subscriptions and services of the node in the ROS graph.
        topics: in the graph.
        cpu_share: of a core.
        sent, processed, skipped: images since the first answer.
        faces: heard of in all of them.
        highest_id: so many ids were given away.
        latency_p50_ms, latency_p99_ms, latency_max_ms: from the camera's stamp to the listener.

    """

    time_s: float
    picture: int
    resident_mb: float
    anonymous_mb: float
    shared_mb: float
    file_mb: float
    threads: int
    handles: int
    mappings: int
    endpoints: int
    topics: int
    cpu_share: float
    sent: int
    processed: int
    skipped: int
    faces: int
    highest_id: int
    latency_p50_ms: float
    latency_p99_ms: float
    latency_max_ms: float

    @property
    def own_mb(self) -> float:
        """Memory that no other process can fill: all but the shared."""
        return round(self.anonymous_mb + self.file_mb, 3)


@dataclass
class Outcome:
    """
    What came of it.

    Attributes:
        program: what the camera showed.
        samples: the node, again and again.
        counts: of `Watch`, by name.
        followed_at_the_end: faces followed after the last one left; -1 if that was not asked any more.
        ended: why it ended before the program did; empty if it did not.

    """

    program: Programme
    samples: list[Sample] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    followed_at_the_end: int = -1
    ended: str = ''
