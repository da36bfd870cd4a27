"""A dead letter always fits, and says what it lost. Rules G10 and P16."""

import json
import re

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.wallet.dead_letter import (
    HEADERS_BYTES_MAX,
    HEADERS_MAX,
    KEY_BYTES_MAX,
    LETTER_BYTES_MAX,
    MESSAGE_CHARACTERS_MAX,
    VALUE_BYTES_KEPT,
    VALUE_BYTES_MAX,
    dead_letter,
    unreadable_letter,
)
from schemas.batch import Headers, Output, UnreadableRecord
from stream.lane.committer import letter_without_content
from tests.agents.partition import InputRecord, Partition, header, record_of
from tests.rules.story import Story, opened

OURS = ["errors.code", "errors.message", "errors.topic", "errors.partition", "errors.offset", "errors.timestamp"]


def letter(key: bytes | None = b"acme", value: bytes | None = b"{", headers: Headers = ()) -> Output:
    return dead_letter(InputRecord(key, value, headers), "malformed_json", "not JSON")


def stored_bytes(output: Output) -> int:
    """What the topic must take for it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=1,
        producer_epoch=1,
        base_sequence=0,
        batch_size=1 << 30,
    )
    assert builder.append(0, 0, output.key, output.value, list(output.headers)) is not None
    return len(builder.build())


def test_what_fits_is_as_it_came() -> None:
    headers = (("trace", b"1"), ("empty", None), ("", b""), ("trace", b"2"))
    whole = letter(b"k" * KEY_BYTES_MAX, b"v" * VALUE_BYTES_MAX, headers)
    assert (len(whole.key or b""), len(whole.value or b"")) == (KEY_BYTES_MAX, VALUE_BYTES_MAX)
    assert whole.headers[:4] == headers
    assert [name for name, _ in whole.headers[4:]] == OURS


LONG = b"x" * (5 << 20)
# Key, value and headers -> what `errors.cut` says.
CUT: dict[str, tuple[bytes | None, bytes | None, Headers, str]] = {
    "a key": (LONG, b"{", (), f"key {len(LONG)}"),
    "a key by one byte": (b"k" * (KEY_BYTES_MAX + 1), b"{", (), f"key {KEY_BYTES_MAX + 1}"),
    "a value": (b"k", LONG, (), f"value {len(LONG)}"),
    "a header": (b"k", None, (("h", LONG), ("a", b"b")), f"headers {len(LONG) + 3}"),
    "a header's name": (b"k", b"{", (("n" * HEADERS_BYTES_MAX, b"v"),), f"headers {HEADERS_BYTES_MAX + 1}"),
    "headers": (b"k", b"{", (("a", b"b"),) * (HEADERS_MAX + 1), f"headers {2 * (HEADERS_MAX + 1)}"),
    "a header of ours": (b"k", b"{", (("errors.code", b"x"),), "headers 12"),
    "a large header of ours": (b"k", b"{", (("errors.mine", LONG),), f"headers {len(LONG) + 11}"),
    "a name that is no UTF-8": (b"k", b"{", (("\udcff\udcfe", b"x"), ("a", b"b")), "headers 5"),
    "all of it": (LONG, LONG, (("h", LONG),), f"key {len(LONG)}, value {len(LONG)}, headers {len(LONG) + 1}"),
}


@pytest.mark.parametrize(("key", "value", "headers", "cut"), CUT.values(), ids=CUT.keys())
def test_what_does_not_fit_is_cut_and_named(key: bytes | None, value: bytes | None, headers: Headers, cut: str) -> None:
    found = letter(key, value, headers)
    assert header(found, "errors.cut") == cut
    assert [name for name, _ in found.headers if name.startswith("errors.")] == [*OURS, "errors.cut"]
    assert header(found, "errors.code") == "malformed_json"
    assert stored_bytes(found) < LETTER_BYTES_MAX
    assert found.key == (key or b"")[:KEY_BYTES_MAX]
    assert found.value == (value if "value" not in cut else LONG[:VALUE_BYTES_KEPT])


def test_headers_that_fit_stay_beside_one_that_does_not() -> None:
    found = letter(headers=(("a", b"b"), ("h", LONG), ("\udcff", b""), ("errors.x", b""), ("c", None)))
    assert found.headers[:2] == (("a", b"b"), ("c", None))


NAMES = st.one_of(st.text(max_size=40), st.text("\udc80\udcffabc", max_size=5), st.sampled_from(OURS))
SIZES = st.sampled_from([0, 1, 1_000, 70_000, 300_000, 1_100_000])
PARTS = st.builds(lambda size, kind: b"x" * size if kind else None, SIZES, st.booleans())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    key=PARTS, value=PARTS, headers=st.lists(st.tuples(NAMES, PARTS), max_size=300), topic=st.text(max_size=300),
    message=st.text(max_size=3_000), offset=st.integers(0, 2**63 - 1), timestamp=st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
def test_whatever_came_fits_and_has_one_header_of_each_of_ours(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    topic: str,
    message: str,
    offset: int,
    timestamp: int,
) -> None:
    record = InputRecord(key, value, headers, topic, 2**31 - 1, offset, timestamp)
    for masked in (False, True):
        found = dead_letter(record, "schema_invalid", message, masked=masked)
        assert stored_bytes(found) < LETTER_BYTES_MAX
        ours = [name for name, _ in found.headers if name.startswith("errors.")]
        assert [name for name in ours if name != "errors.cut"] == OURS
        cut = header(found, "errors.cut")
        parts = dict(part.split(" ") for part in cut.split(", ")) if cut else {}
        assert set(parts) <= {"key", "value", "headers"}
        assert len(found.headers) - len(ours) == len(headers) or "headers" in parts
        assert (found.key == key, found.value == value) == ("key" not in parts, "value" not in parts)


def test_a_message_has_an_end() -> None:
    found = dead_letter(InputRecord(b"k", b"v"), "schema_invalid", "m" * 5_000)
    assert len(header(found, "errors.message") or "") == MESSAGE_CHARACTERS_MAX


# P16: empty, with no header of the sender's, and still said to be cut: it cannot be sent again as it is.
def test_p16_a_letter_that_may_hold_a_card_number_has_an_empty_value() -> None:
    value = json.dumps({**Story().adds_card().inputs[0], "token": "4242 4242 4242 4242"}).encode()
    for sent, code in ((value, "card_number_refused"), (value[:-1], "malformed_json")):
        [found] = Partition().decide(InputRecord(b"acme", sent, (("trace", b"1"),))).outputs
        assert (found.key, found.value, header(found, "errors.code")) == (b"acme", b"", code)
        assert header(found, "errors.cut") == f"value {len(sent)}, headers 6"
        assert [name for name, _ in found.headers] == [*OURS, "errors.cut"]


def test_an_unreadable_record_is_named_by_address_size_and_digest() -> None:
    digest = "ab" * 32
    record = UnreadableRecord("account-events", 3, 41, 1234, 5 << 30, digest, "the batch ends within a record", "batch")
    partition = Partition()
    outcome = partition.decide(record)  # type: ignore[arg-type]  # as the fetch hands it on
    assert outcome.outputs == [unreadable_letter(record)]
    found = outcome.outputs[0]
    assert (found.topic, found.key, found.value) == ("dead-letters", None, b"")
    errors = {name: (text or b"").decode() for name, text in found.headers}
    assert re.match("the batch ends within a record; .* whole batch", errors.pop("errors.message"))
    assert errors == {
        "errors.code": "unreadable_record",
        "errors.topic": "account-events",
        "errors.partition": "3",
        "errors.offset": "41",
        "errors.timestamp": "1234",
        "errors.size": str(5 << 30),
        "errors.sha256": digest,
    }
    assert (outcome.tally["inputs", "dead_letter"], outcome.tally["dead_letters", "unreadable_record"]) == (1, 1)
    assert partition.kinds().keys() == {"terms"}


# A tombstone on the input topic stays what it was.
def test_a_record_without_a_value_is_malformed() -> None:
    [found] = Partition().decide(InputRecord(b"acme", None)).outputs
    assert (found.value, header(found, "errors.code"), header(found, "errors.cut")) == (None, "malformed_json", None)


# The end of a call whose outcome the broker refuses is a call that nobody is charged for, as a refused end is.
def test_a_call_whose_end_cannot_be_committed_counts_as_unbilled() -> None:
    end = opened(credit=20).starts("c1").ends("c1").inputs[-1]
    outcome = letter_without_content(record_of(end))
    assert outcome.tally["unbilled", "unreadable_record"] == 1
    assert outcome.tally["dead_letters", "unreadable_record"] == outcome.tally["inputs", "dead_letter"] == 1
    assert [output.value for output in outcome.outputs] == [b""]
