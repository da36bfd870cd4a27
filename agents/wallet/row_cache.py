"""Rows that are read for every snapshot and rarely change, kept decoded from batch to batch."""

from schemas.account import Row
from schemas.rows import billing_key, decode_row

# Some of the active accounts of a partition. A billing row takes about a kilobyte.
ROWS_KEPT_MAX = 4_096
_BILLING = billing_key("")


class RowCache:
    """Decodes rows. A billing row may have 64 phone numbers: it is decoded once while the table has the same bytes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, Row]] = {}

    def decode(self, key: str, value: bytes) -> Row:
        """The row in `value`. The same bytes object gives the same row."""
        if not key.endswith(_BILLING):
            return decode_row(key, value)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is value:
            return kept[1]
        if len(self._kept) >= ROWS_KEPT_MAX:
            self._kept.clear()
        row = decode_row(key, value)
        self._kept[key] = (value, row)
        return row
