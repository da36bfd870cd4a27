"""A dead letter that was the end of a call is money that nobody asks for: it is counted apart from the others."""

import json
from typing import Any

import pytest

from schemas.batch import Headers
from tests.agents.partition import InputRecord, Partition, record_of
from tests.rules.story import Story, opened

END = Story().opens().ends("c1").inputs[-1]
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json"),)


def unbilled(*records: InputRecord) -> dict[str, int]:
    tally = Partition().decide(*records).tally
    return {code: count for (family, code), count in tally.items() if family == "unbilled"}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in END.items() if name != field}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (record_of(END), "unknown_account"),
        (record_of(without("call_id")), "schema_invalid"),
        (InputRecord(b"other", json.dumps(END).encode()), "key_mismatch"),
        (InputRecord(b"acme", json.dumps(END).encode(), (("ce_specversion", b"2.0"),)), "unsupported_version"),
        (
            InputRecord(
                b"acme",
                json.dumps(without("type")).encode(),
                (("ce_specversion", b"1.0"), ("ce_type", b"call-ended"), ("ce_id", b"1")),
            ),
            "unknown_account",
        ),
        (
            InputRecord(
                b"acme",
                json.dumps({"specversion": "1.0", "type": "call-ended", "id": "1", "data": {"x": 1}}).encode(),
                STRUCTURED,
            ),
            "schema_invalid",
        ),
    ],
    ids=["unknown account", "field missing", "other key", "other version", "binary event", "structured event"],
)
def test_g10_the_end_of_a_call_that_is_refused_is_unbilled_under_its_code(record: InputRecord, code: str) -> None:
    assert unbilled(record) == {code: 1}


@pytest.mark.parametrize(
    "value",
    [None, b"{", b"\xff", b"[]", b'"call-ended"', b'{"type": ["call-ended"]}', b'{"type": "call-started"}'],
)
def test_what_is_not_readable_as_the_end_of_a_call_is_not_counted_as_one(value: bytes | None) -> None:
    assert unbilled(InputRecord(b"acme", value)) == {}


def test_a_call_that_is_charged_or_repeated_is_not_unbilled() -> None:
    story = opened(credit=5).ends("c1").ends("c1")
    tally = Partition().take(*story.inputs).tally
    assert {key for key in tally if key[0] == "unbilled"} == set()
