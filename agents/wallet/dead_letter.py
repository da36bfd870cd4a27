"""Dead letters: a refused input as it arrived, with its address and the reason. Rule G10.

Every record a producer can send fits into a dead letter. A record of a compressed batch may be far larger than any
record that the broker accepts, so every part has a bound. `errors.cut` names the parts that were cut and their sizes in
bytes.
"""

from collections.abc import Mapping

from schemas.batch import BatchResult, Headers, Output, Record, UnreadableRecord
from schemas.card_number import record_may_hold_card_number
from schemas.codec import readable_type
from schemas.inputs import CallEnded

DEAD_LETTERS = "dead-letters"

# A longer value is cut to the size limit of inputs; the rest is of no use.
VALUE_BYTES_MAX = 1 << 20
VALUE_BYTES_KEPT = 1 << 16
# An account id has at most 128 bytes.
KEY_BYTES_MAX = 1 << 12
# The total size of the producer's headers, names and values, and their number. A header that does not fit is left out.
HEADERS_BYTES_MAX = 1 << 18
HEADERS_MAX = 256
MESSAGE_CHARACTERS_MAX = 1_000
TOPIC_CHARACTERS_MAX = 255
# The record size that the topic must accept: all parts at their largest, plus the framing of record and batch.
LETTER_BYTES_MAX = 2 << 20

OURS = "errors."
UNREADABLE = "unreadable_record"
_CALL_ENDED = str(CallEnded.__struct_config__.tag)


def add_letter(outcome: BatchResult, record: Record, code: str, letter: Output) -> None:
    """Publish `letter` as the one outcome of `record`, and count it. Rule G10."""
    outcome.tally["inputs", "dead_letter"] += 1
    outcome.tally["dead_letters", code] += 1
    if readable_type(record.value, record.headers) == _CALL_ENDED:
        outcome.tally["unbilled", code] += 1  # A call that is not charged.
    outcome.outputs.append(letter)


# Refusals of values that cannot be read as an input of any type. Such a value could be a payment method.
_OF_NO_TYPE = frozenset({"not_utf8", "malformed_json", "not_an_object", "unsupported_version", "unknown_type"})


def dead_letter(record: Record, code: str, message: str, *, masked: bool = False) -> Output:
    """The dead letter of a record. A masked one has an empty value and none of the producer's headers. Rule P16."""
    cut: list[str] = []
    key = _fit("key", record.key, KEY_BYTES_MAX, KEY_BYTES_MAX, cut)
    if masked or record_may_hold_card_number(record.value, record.headers, of_no_type=code in _OF_NO_TYPE):
        value, came_with = _fit("value", record.value, 0, 0, cut), _fit_headers(record.headers, 0, cut)
    else:
        value = _fit("value", record.value, VALUE_BYTES_MAX, VALUE_BYTES_KEPT, cut)
        came_with = _fit_headers(record.headers, HEADERS_BYTES_MAX, cut)
    ours = {"cut": ", ".join(cut)} if cut else {}
    return Output(DEAD_LETTERS, key, value, (*came_with, *_errors(record, code, message, ours)))


def unreadable_letter(record: UnreadableRecord) -> Output:
    """The dead letter of a record that cannot be read from the log: its address, its size and its hash."""
    message = f"{record.why}; size and SHA-256 are those of {_MEASURED[record.measured]}"
    ours = {"size": str(record.size), "sha256": record.sha256}
    return Output(DEAD_LETTERS, None, b"", _errors(record, UNREADABLE, message, ours))


_MEASURED = {
    "record": "the record as it stands in its batch, unpacked, after its length",
    "batch": "the whole batch as it is stored",
    "value": "the record's value",
}


def _errors(record: Record, code: str, message: str, more: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    ours = {
        "code": code,
        "message": message[:MESSAGE_CHARACTERS_MAX],
        "topic": record.topic[:TOPIC_CHARACTERS_MAX],
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        **more,
    }
    return tuple((OURS + name, text.encode("utf-8", "replace")) for name, text in ours.items())


def _fit(part: str, content: bytes | None, bytes_max: int, bytes_kept: int, cut: list[str]) -> bytes | None:
    if content is None or len(content) <= bytes_max:
        return content
    cut.append(f"{part} {len(content)}")
    return content[:bytes_kept]


def _fit_headers(headers: Headers, bytes_max: int, cut: list[str]) -> Headers:
    """The producer's headers that fit, unchanged. Headers whose names begin with `errors.` are dropped in favour of
    ours, and so are names that are not UTF-8, which cannot be written.
    """
    kept: list[tuple[str, bytes | None]] = []
    size, size_kept = 0, 0
    for name, content in headers:
        length = len(name.encode("utf-8", "surrogateescape")) + len(content or b"")
        size += length
        writable = not name.startswith(OURS) and _is_utf8(name)
        if writable and size_kept + length <= bytes_max and len(kept) < HEADERS_MAX:
            kept.append((name, content))
            size_kept += length
    if len(kept) < len(headers):
        cut.append(f"headers {size}")
    return tuple(kept)


def _is_utf8(name: str) -> bool:
    """Whether a header's name was UTF-8. Other bytes appear in it as lone surrogates (`surrogateescape`)."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
