"""What a line of an exported file says, and what it never says."""

import base64
import json
from typing import Any

import pytest

from agents.wallet.dead_letter import dead_letter
from backoffice.export.lines import fact_line, input_line, letter_line
from backoffice.export.pseudonym import token_pseudonym
from backoffice.replay import replay_lines
from schemas.batch import Headers
from schemas.codec import Unreadable, decode_input, read_arrival
from schemas.inputs import AnyInput, PaymentMethodAdded
from schemas.wire import __file__ as wire_file
from tests.agents.partition import InputRecord

SECRET = "pm_1NxSECRET"
HEAD = {"id": "i1", "account_id": "a1", "occurred_at": "2026-01-31T11:00:00.25+01:00"}
CARD = {"payment_method_id": "pm", "token": SECRET, "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
ADDED: dict[str, Any] = {"type": "payment-method-added", **HEAD, **CARD}
ARRIVED_MS = 1_767_225_600_123


def read(value: dict[str, Any] | bytes, headers: Headers = ()) -> AnyInput:
    event = decode_input(value if isinstance(value, bytes) else json.dumps(value).encode(), headers)
    assert not isinstance(event, Unreadable), event
    return event


def inputs_of_the_contract() -> list[bytes]:
    file = wire_file.replace("__init__.py", "examples/inputs.jsonl")
    with open(file, "rb") as lines:  # noqa: PTH123  # the path is that of a module
        return [line for line in lines.read().splitlines() if not isinstance(decode_input(line), Unreadable)]


@pytest.mark.parametrize("value", inputs_of_the_contract())
def test_an_input_is_read_again_as_the_same_input(value: bytes) -> None:
    event = read(value)
    line = input_line(event, ARRIVED_MS)
    again = read(line)
    assert read_arrival(line) == ARRIVED_MS
    if isinstance(event, PaymentMethodAdded):
        assert isinstance(again, PaymentMethodAdded)
        assert again.token != event.token
        line = line.replace(again.token.encode(), event.token.encode())
        again = read(line)
    assert again == event


BINARY: Headers = (
    ("ce_specversion", b"1.0"),
    ("ce_type", b"call-started"),
    ("ce_id", b"i1"),
    ("ce_subject", b"a1"),
    ("ce_time", b"2026-01-31T10:00:00Z"),
)
STRUCTURED = {"specversion": "1.0", "type": "call-started", "id": "i1", "subject": "a1", "time": "2026-01-31T10:00:00Z"}
CALL = {"call_id": "c1", "direction": "web"}
FLAT = {"type": "call-started", "id": "i1", "account_id": "a1", "occurred_at": "2026-01-31T10:00:00Z", **CALL}


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (FLAT, ()),
        (CALL, BINARY),
        ({**STRUCTURED, "data": CALL}, ()),
        ({**STRUCTURED, "data_base64": base64.b64encode(json.dumps(CALL).encode()).decode()}, ()),
        ({**FLAT, "occurred_at": "2026-01-31t11:00:00.0009+01:00", "to": None}, ()),
        ({**FLAT, "arrived_at": "1999-01-01T00:00:00Z", "secret": {"token": SECRET}}, ()),
    ],
    ids=["flat", "binary", "structured", "base64", "another offset", "unknown fields"],
)
def test_an_input_is_written_flat_with_the_contracts_fields_alone(value: dict[str, Any], headers: Headers) -> None:
    event = read(value, headers)
    assert json.loads(input_line(event, None)) == FLAT
    assert json.loads(input_line(event, ARRIVED_MS)) == FLAT | {"arrived_at": "2026-01-01T00:00:00.123Z"}


def test_null_is_kept_where_the_contract_requires_the_field() -> None:
    missed = {"direction": "web", "started_at": HEAD["occurred_at"], "answered_at": None, "outcome": "no_answer"}
    line = json.loads(input_line(read({"type": "call-ended", **HEAD, "call_id": "c1", **missed}), None))
    assert line["answered_at"] is None
    assert "leg_id" not in line


def test_m09_a_token_is_a_pseudonym_everywhere_and_the_same_in_inputs_and_requests() -> None:
    line = input_line(read(ADDED), None)
    request = {"type": "payment-requested", "id": "r", "account_id": "a1", "payment_method_id": "pm", "token": SECRET}
    requested = fact_line("payment-requests", json.dumps(request).encode())
    letter = dead_letter(InputRecord(b"a1", json.dumps(ADDED).encode()), "unknown_account", "no")
    refused = letter_line(letter.key, letter.value, letter.headers)
    for written in (line, requested, refused):
        assert SECRET.encode() not in written
    masked = token_pseudonym("a1", "pm", SECRET)
    assert json.loads(line)["token"] == json.loads(requested)["token"] == masked
    assert json.loads(refused)["input"]["token"] == masked
    assert json.loads(requested) == request | {"token": masked}


def test_r07_another_card_under_the_same_id_has_another_pseudonym() -> None:
    ours = token_pseudonym("a1", "pm", SECRET)
    others = [("a1", "pm", "pm_2"), ("a2", "pm", SECRET), ("a1", "pm2", SECRET), ("a1", "p", f"m\0{SECRET}")]
    assert ours not in {token_pseudonym(*other) for other in others}
    assert not any(character.isdigit() for character in ours)


def test_other_events_are_written_byte_for_byte() -> None:
    value = b'{"type": "call-charged",  "token": "not ours"}'
    assert fact_line("charges", value) == value


def letter_of(value: bytes | None, headers: Headers = (), key: bytes | None = b"a1") -> dict[str, Any]:
    record = InputRecord(key, value, headers, "t.account-events", 3, 17, ARRIVED_MS)
    letter = dead_letter(record, "some_code", "why")
    line: dict[str, Any] = json.loads(letter_line(letter.key, letter.value, letter.headers))
    return line


def test_a_dead_letter_has_its_reason_and_the_input_flat() -> None:
    assert letter_of(json.dumps(CALL).encode(), BINARY) == {
        "type": "dead-letter",
        "code": "some_code",
        "message": "why",
        "account_id": "a1",
        "topic": "t.account-events",
        "partition": 3,
        "offset": 17,
        "timestamp": "2026-01-01T00:00:00.123Z",
        "input": FLAT,
    }


@pytest.mark.parametrize("value", [b"{", b"\xff", b"[]", json.dumps(SECRET).encode(), b'{"token": "' + b"x" * 70_000])
def test_of_a_value_that_is_no_object_only_size_and_hash_are_written(value: bytes) -> None:
    line = letter_of(value, key=None)
    assert "input" not in line
    assert line["value_bytes"] == len(value)
    assert len(line["value_sha256"]) == 64
    assert line["account_id"] is None


def test_no_token_of_a_refused_input_is_written_however_deep() -> None:
    hidden = base64.b64encode(json.dumps(ADDED).encode()).decode()
    odd = {"specversion": "9", "data_base64": hidden, "data": [{"token": SECRET}, {"deep": {"token": [SECRET]}}]}
    assert SECRET not in json.dumps(letter_of(json.dumps(odd).encode()))
    assert hidden not in json.dumps(letter_of(json.dumps(odd).encode()))


def test_replay_accepts_an_exported_card() -> None:
    opened = {"type": "account-opened", **HEAD, "id": "i0", "plan": "professional"}
    facts = list(replay_lines(input_line(read(value), ARRIVED_MS + 10**10) for value in (opened, ADDED)))
    assert [fact["type"] for fact in facts] == ["payment-requested"]
    assert facts[0]["token"] == token_pseudonym("a1", "pm", SECRET)
