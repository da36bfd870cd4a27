"""When each row is due: an open payment to be asked for, an answered one to be forgotten."""

import heapq
from collections.abc import Mapping

from payments.payment import Payment


class Schedule:
    """A queue over rows that change under it: an entry counts only while its row is still due at that time."""

    def __init__(self, rows: Mapping[str, Payment]) -> None:
        self._rows = rows
        self._heap: list[tuple[int, str]] = []

    def add(self, row: Payment) -> None:
        heapq.heappush(self._heap, (row.due_ms, row.payment_id))

    def next_ms(self) -> int | None:
        """When the next row is due; None when none ever is."""
        while self._heap and not self._counts(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> Payment | None:
        """The row that has been due for longest, taken off the queue."""
        due_ms = self.next_ms()
        if due_ms is None or due_ms > now_ms:
            return None
        return self._rows[heapq.heappop(self._heap)[1]]

    def _counts(self, due_ms: int, payment_id: str) -> bool:
        row = self._rows.get(payment_id)
        return row is not None and row.due_ms == due_ms
