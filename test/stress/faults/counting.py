"""What a trial comes to."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Count:
    """
    What was tried and what came of it.

    Attributes:
        what: was tried, in words; a row of the table in docs/lab/reliability.md.
        tried: how often.
        lost: what must not happen -> how often it did; all zero where the node kept its promises.
        seed: of what was left to chance; None where nothing was.
        recovered_s: after each fault, the seconds until all was as before; empty where nothing stops.
        notes: further figures, for the record.
        skipped: why part of it could not be tried here; empty where all was.

    """

    what: str
    tried: int
    lost: dict[str, int]
    seed: int | None = None
    recovered_s: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    skipped: str = ''

    @property
    def kept(self) -> bool:
        """Whether nothing was lost."""
        return not any(self.lost.values())

    @property
    def longest_s(self) -> float | None:
        """The longest recovery in seconds; None where there was nothing to recover from."""
        return max(self.recovered_s) if self.recovered_s else None

    def as_record(self) -> dict[str, Any]:
        """Return it for the record: recoveries as their number, median and longest."""
        record = asdict(self)
        times = sorted(record.pop('recovered_s'))
        if times:
            record['recoveries'] = len(times)
            record['median_s'] = round(times[len(times) // 2], 3)
            record['longest_s'] = round(times[-1], 3)
        return record

    def __str__(self) -> str:
        """Say it in a line, with the seed that repeats it."""
        lost = ', '.join(f'{count} {what}' for what, count in self.lost.items() if count)
        longest = '' if self.longest_s is None else f'; longest recovery {self.longest_s:.2f} s'
        notes = ''.join(f'; {name} {value}' for name, value in self.notes.items())
        return f'{self.what}: {self.tried} tried, {lost or "nothing"} lost{longest}{notes}' + (
            f' (seed {self.seed})' * (self.seed is not None)
        )
