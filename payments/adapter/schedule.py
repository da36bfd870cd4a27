"""When each row is due: an open payment for execution, an answered one for a look or for removal."""

import heapq
from collections.abc import Mapping

from payments.payment_state import PaymentState


class Schedule:
    """A heap of due times. The rows change under it: an entry is valid only while its row still has that due time."""

    def __init__(self, rows: Mapping[str, PaymentState]) -> None:
        self._rows = rows
        self._heap: list[tuple[int, str]] = []

    def add(self, row: PaymentState) -> None:
        heapq.heappush(self._heap, (row.next_ms, row.payment_id))

    def next_due_ms(self) -> int | None:
        """When the next row is due, None without rows."""
        while self._heap and not self._is_valid(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> PaymentState | None:
        """Remove and return the row that has been due longest, None if none is due."""
        due_ms = self.next_due_ms()
        if due_ms is None or due_ms > now_ms:
            return None
        return self._rows[heapq.heappop(self._heap)[1]]

    def _is_valid(self, due_ms: int, payment_id: str) -> bool:
        row = self._rows.get(payment_id)
        return row is not None and row.next_ms == due_ms
