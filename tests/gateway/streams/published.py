"""Events of accounts that no worker knows, on the topics of the engine."""

from collections.abc import Iterable

from tests.gateway.reads.events import movement, snapshot
from tests.gateway.reads.filled import Event
from tests.gateway.stage import GatewayStage
from tests.lane.stage import wait_until
from tests.views.stage import ViewsStage


class Published:
    """Writes events, and waits until the views have them."""

    def __init__(self, stage: GatewayStage) -> None:
        self._stage = stage
        self._topics = ViewsStage(stage.bootstrap, stage.redis_url, stage.name, stage.directory)

    def close(self) -> None:
        self._topics.close()

    def send(self, events: Iterable[Event]) -> None:
        self._topics.send(events)

    def open(self, account: str, version: int = 1) -> None:
        """An account with a snapshot and nothing else."""
        self.send([snapshot(account, version)])
        wait_until(lambda: bool(self._stage.redis.exists(f"tg:1:{{{account}}}:snapshot")), "the snapshot")

    def move(self, account: str, numbers: Iterable[int], *, seen: bool = True) -> None:
        """Ledger entries with these numbers; with `seen`, the views have them afterwards."""
        moved = list(numbers)
        self.send([movement(account, number, number) for number in moved])
        if seen:
            wait_until(lambda: self.count(account) >= moved[-1], "the entries")

    def count(self, account: str) -> int:
        return int(self._stage.redis.zcard(f"tg:1:{{{account}}}:ledger"))


def number_of(data: bytes) -> int:
    """The number of a ledger entry of `move`."""
    return int(data.rpartition(b"/ledger/")[2].partition(b'"')[0])
