"""Decisions that this process remembers, so that most repeated requests need no other process."""

from collections import OrderedDict
from collections.abc import Callable

from gateway.gate.decision import Decision
from gateway.gate.pending import CallKey

# A call is asked about again within seconds. Beyond these bounds Redis and the engine know it.
REMEMBERED_MAX = 50_000
REMEMBERED_S = 3_600.0


class Memory:
    """The latest decisions, at most `most`, none older than `seconds`. `now_s` is a clock that never goes back."""

    def __init__(self, now_s: Callable[[], float], most: int = REMEMBERED_MAX, seconds: float = REMEMBERED_S) -> None:
        self._now_s, self._most, self._seconds = now_s, most, seconds
        self._kept: OrderedDict[CallKey, tuple[float, Decision]] = OrderedDict()  # Oldest first.

    def get(self, call: CallKey) -> Decision | None:
        kept = self._kept.get(call)
        return kept[1] if kept is not None and self._now_s() - kept[0] < self._seconds else None

    def keep(self, call: CallKey, decision: Decision) -> None:
        now_s = self._now_s()
        self._kept[call] = (now_s, decision)
        self._kept.move_to_end(call)
        while len(self._kept) > self._most or now_s - next(iter(self._kept.values()))[0] >= self._seconds:
            self._kept.popitem(last=False)

    def forget(self, call: CallKey) -> None:
        self._kept.pop(call, None)
