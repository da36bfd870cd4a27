"""How far the events of a topic are settled: delivered, given up, or written to the rows topic, for every target."""


class Progress:
    """The settled position of one partition of one topic."""

    def __init__(self, start: int) -> None:
        self.read_to = start
        self._last = 0
        # Targets that have not settled an event, by its offset. Offsets come in ascending order.
        self._open: dict[int, int] = {}

    def begin(self, offset: int) -> None:
        """One more target takes the event at `offset`, the last one read."""
        assert offset >= self._last, "events are read in log order"
        self._last = offset
        self._open[offset] = self._open.get(offset, 0) + 1

    def settle(self, offset: int) -> None:
        """One of these targets has settled it."""
        left = self._open[offset] - 1
        if left:
            self._open[offset] = left
        else:
            del self._open[offset]

    @property
    def settled(self) -> int:
        """Everything before this offset is settled."""
        return next(iter(self._open), self.read_to)
