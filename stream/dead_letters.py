"""Dead letters that fit: whatever a producer managed to send can be buried, or one record would stop a partition.

A record of a compressed batch may be far larger than any record the broker takes back.
"""

from collections.abc import Sequence

VALUE_BYTES_MAX = 1 << 20
HEADER_BYTES_MAX = 1 << 18
KEPT_BYTES = 1 << 16  # As much as an input may have at all: the rest of a longer one is no use to anybody.
# What the topic must take: a value and headers at their largest, with room for the key and the record's frame.
LETTER_BYTES_MAX = 2 << 20

OURS = "errors."


def fit(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The letter's value and headers, cut down when too large; `errors.cut` then says how many bytes there were."""
    kept = list(headers)
    if value is not None and len(value) > VALUE_BYTES_MAX:
        kept.append((f"{OURS}cut", str(len(value)).encode()))
        value = value[:KEPT_BYTES]
    if sum(len(name) + len(content or b"") for name, content in kept) > HEADER_BYTES_MAX:
        kept = [(name, content) for name, content in kept if name.startswith(OURS)]
    return value, kept
