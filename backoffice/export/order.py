"""One order of the inputs of several partitions, in which `replay` gives every account the events of its worker.

A tick is in the log once for each partition, and in a file for `replay` once for all accounts. So each tick is a
barrier: it comes behind all inputs that are before it in any partition, and before all that are behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.inputs import AnyInput, ClockTicked

Tick = tuple[int, str]  # Its time in milliseconds, and its id.


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next record of a partition."""

    timestamp: int
    offset: int
    event: AnyInput
    arrived_ms: int | None

    @property
    def tick(self) -> Tick | None:
        event = self.event
        return (int(event.occurred_at_ms), event.id) if isinstance(event, ClockTicked) else None


def next_partitions(heads: Mapping[int, Waiting]) -> list[int]:
    """The partitions whose record comes next: of inputs the one with the least timestamp, then partition; a tick only
    when every partition has come to one, and then all partitions that have the least.
    """
    inputs = [(waiting.timestamp, partition) for partition, waiting in heads.items() if waiting.tick is None]
    if inputs:
        return [min(inputs)[1]]
    least = min(tick for waiting in heads.values() if (tick := waiting.tick) is not None)
    return [partition for partition, waiting in heads.items() if waiting.tick == least]


@dataclass(slots=True)
class Clocks:
    """Each partition's clock. A tick that is not later than it changes nothing (rule G2)."""

    now_ms: dict[int, int] = field(default_factory=dict)

    def advance(self, partition: int, tick: Tick) -> bool:
        """Whether the tick advances the partition's clock."""
        at_ms, _ = tick
        if at_ms <= self.now_ms.get(partition, -1):
            return False
        self.now_ms[partition] = at_ms
        return True
