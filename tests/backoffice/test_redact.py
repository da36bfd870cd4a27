"""A redacted file has nobody's data and replays to the same events but for the fields that held them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backoffice.redact import redact_lines
from backoffice.replay import replay_lines, snapshot_lines
from schemas.codec import Unreadable, decode_input
from tests.test_commands import run

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas/wire/examples/inputs.jsonl"
KEY = b"a key of sixteen bytes"
# Fields of events that hold what a person gave.
PERSONAL = {"from", "to", "redirect_to", "number", "billing_email", "new_billing_email", "buyer", "billing_details"}
CARD = {"token", "brand", "last4", "exp_month", "exp_year"}

TOLD = {
    "from": "+4915110203040",
    "to": "sip:jane@pbx.example",
    "redirect_to": "+4915150607080",
    "number": "+4930901820",
    "billing_email": "jane.doe@mail.example",
    "name": "Jane Doe",
    "address": "14 Harbour Street\nBristol BS1 4XZ",
    "country": "GB",
    "tax_id": "GB123456789",
    "token": "cus_jane/pm_jane",
    "last4": "8391",
    "reason": "Mrs Doe rang",
    "actor": "kim@support.example",
}
_numbers = iter(range(1_000_000))


def given(kind: str, at: str = "10:00:00Z", account_id: str = "a-1", **fields: object) -> bytes:
    start = {"type": kind, "id": f"in-{next(_numbers)}", "account_id": account_id, "occurred_at": f"2026-01-31T{at}"}
    return json.dumps({**start, **fields}).encode()


def told(*names: str) -> dict[str, Any]:
    return {name: TOLD[name] for name in names}


CARD_ADDED: dict[str, Any] = {**told("token", "last4"), "brand": "discover", "exp_month": 3, "exp_year": 2031}
CALL = {"call_id": "c-1", "direction": "inbound"}
ENDED: dict[str, Any] = {
    **CALL,
    "started_at": "2026-01-31T10:05:00Z",
    "answered_at": "2026-01-31T10:05:01Z",
    "outcome": "completed",
}

# A life of an account on a minutes plan: numbers added and removed, a card, a refund, an invoice, refused inputs.
LIFE = [
    given("clock-ticked", "09:59:00Z", "*"),
    given("account-opened", plan="professional", **told("billing_email")),
    given("billing-details-set", **told("name", "address", "country", "tax_id")),
    given("billing-email-set", billing_email="jane@new.example"),
    given("redirect-set", **told("redirect_to")),
    given("phone-number-added", **told("number"), monthly_fee_micros=2_000_000),
    given("phone-number-added", **told("number"), monthly_fee_micros=2_000_000),  # a repeat
    given("phone-number-added", number="+4930901821", monthly_fee_micros=1_000_000),
    given("phone-number-removed", number="+4930901821"),
    given("payment-method-added", payment_method_id="pm-1", **CARD_ADDED),
    given("credits-granted", grant_id="g-1", amount_micros=5_000_000, **told("reason", "actor")),
    given("call-started", "10:05:00Z", **CALL, **told("from", "to"), arrived_at="2026-01-31T10:05:00.100Z"),
    given("call-ended", "10:06:30Z", **ENDED, features=["live_agent"]),
    given("call-reclassified", "10:07:00Z", call_id="c-1", real=False, **told("reason", "actor")),
    given("payment-declined", payment_id="a-1/subscription/1/1", reason="insufficient_funds", retryable=True),
    given("billing-details-set", name=TOLD["name"], address="", tax_id=None),
    given("subscription-cancel-requested", **told("reason")),
    given("call-started", "11:00:00Z", "nobody", call_id="c-9", direction="web", **told("from")),
    given("clock-ticked", "12:00:00Z", "*").replace(b"2026-01-31", b"2026-03-05"),
]
# What the rules refuse, each with its code; the telling values are where nobody expects them.
REFUSED = {
    "malformed_json": [b'{"from": "+4915110203040", ', b"jane.doe@mail.example"],
    "not_utf8": [b'{"name": "Jane Doe \xff"}'],
    "not_an_object": [b'["Jane Doe"]', b'"+4915110203040"', b"4915110203040"],
    "unknown_type": [b'{"type": "Jane Doe", "name": "Jane Doe"}', b'{"name": "Jane Doe"}'],
    "unsupported_version": [b'{"specversion": "Jane Doe", "subject": "a-1"}'],
    "too_large": [b'{"name": "' + b"Jane Doe" * 9_000 + b'"}'],
    "card_number_refused": [
        given("payment-method-added", payment_method_id="pm-2", **{**CARD_ADDED, "token": "4111 1111 1111 1111"}),
        given("payment-method-removed", payment_method_id="pm-2", note="Jane Doe 4111111111111111"),
    ],
    "schema_invalid": [
        given("call-started", "10:30:00Z", call_id="c-2", direction=TOLD["from"], **told("from", "to")),
        given("call-started", "10:30:00Z", call_id=TOLD["name"], direction="inbound"),
        given("call-ended", "10:06:30Z", **{**ENDED, "outcome": TOLD["name"]}),
        given("call-ended", "10:00:30Z", **ENDED),
        given("billing-email-set", billing_email="Jane Doe <jane.doe@mail.example>"),
        given("billing-details-set", name=["Jane Doe"], address="14 Harbour Street\x00"),
        given("phone-number-added", number=4_915_110_203_040, monthly_fee_micros=2**70),
        given("payment-method-added", payment_method_id="pm-2", **{**CARD_ADDED, "last4": "Jane Doe"}),
        given("redirect-set"),
        given("redirect-set", "Jane Doe", **told("redirect_to")),
        given("call-started", "10:31:00Z", call_id="c-3", direction="web", arrived_at=TOLD["name"]),
    ],
}
REFUSALS = [line for lines in REFUSED.values() for line in lines]
# CloudEvents, unknown fields, equal keys, nesting that only one of two decoders reads.
ODD = [
    json.dumps(
        {
            "specversion": "1.0", "type": "redirect-set", "id": "ce-1", "subject": "a-1", "source": "Jane Doe",
            "time": "2026-01-31T10:20:00Z", "data": told("redirect_to", "name"),
        }
    ).encode(),
    given("feature-set", "10:21:00Z", feature="live_agent", enabled=True, note="Jane Doe")[:-1] + b', "Jane Doe": 1}',
    given("redirect-set", "10:22:00Z", redirect_to="+49")[:-1] + b', "redirect_to": "+4915110203040"}',
    given("feature-set", "10:23:00.123456+00:00", feature="live_agent", enabled=False)[:-1]
    + b', "note": ' + b"[" * 2_000 + b'"Jane Doe"' + b"]" * 2_000 + b"}",
]  # fmt: skip


def masked(event: Any) -> Any:
    """The event without what a person gave; of a dead letter without its message, which may quote a value."""
    if isinstance(event, list):
        return [masked(one) for one in event]
    if not isinstance(event, dict):
        return event
    hidden = PERSONAL | CARD | ({"message"} if event.get("type") == "dead-letter" else set())
    if event.get("kind") == "phone_number":
        hidden = hidden | {"description"}
    return {name: "…" if name in hidden else masked(value) for name, value in event.items()}


def replayed(lines: Sequence[bytes]) -> tuple[Any, Any]:
    return masked(list(replay_lines(lines))), masked(snapshot_lines(lines))


@pytest.mark.parametrize("position", [1, 6, len(LIFE) - 1], ids=["early", "midway", "late"])
def test_a_redacted_file_replays_to_the_same_events(position: int) -> None:
    lines = [*LIFE[:position], b"", *REFUSALS, *ODD, *LIFE[position:]]
    redacted = list(redact_lines(lines, KEY))
    assert len(redacted) == len(lines)
    assert replayed(redacted) == replayed(lines)
    assert {"invoice-issued", "call-charged", "dead-letter"} <= {one["type"] for one in replay_lines(lines)}


def test_the_examples_of_the_contract_replay_to_the_same_events() -> None:
    lines = EXAMPLES.read_bytes().splitlines()
    assert replayed(list(redact_lines(lines, KEY))) == replayed(lines)


def test_nobody_s_data_are_left() -> None:
    text = b"\n".join(redact_lines([*LIFE, *REFUSALS, *ODD], KEY)).decode(errors="replace")
    pieces = [part for value in TOLD.values() for part in value.split("\n") if value != TOLD["country"]]
    left = [piece for piece in (*pieces, "Jane", "jane", "4111", "discover", "2031", "+49") if piece in text]
    assert left == []
    events = "\n".join(map(str, replay_lines(redact_lines([*LIFE, *REFUSALS, *ODD], KEY))))
    assert [piece for piece in pieces if piece in events] == []


@pytest.mark.parametrize(("code", "lines"), REFUSED.items(), ids=list(REFUSED))
def test_a_refused_line_is_refused_for_the_same_reason(code: str, lines: list[bytes]) -> None:
    for line in lines:
        (before,), (after,) = (
            [one["code"] for one in replay_lines([some]) if "code" in one]
            for some in (line, *redact_lines([line], KEY))
        )
        assert (before, after) == (code, code)


def test_equal_values_have_equal_pseudonyms_with_one_key_and_others_with_another() -> None:
    lines = [
        given("redirect-set", **told("redirect_to")),
        given("phone-number-added", number=TOLD["redirect_to"], monthly_fee_micros=0),
    ]
    one, other = (json.loads(line) for line in redact_lines(lines, KEY))
    assert one["redirect_to"] == other["number"]
    again, _ = (json.loads(line) for line in redact_lines(lines, b"another key of the tests"))
    assert again["redirect_to"] != one["redirect_to"]
    assert json.loads(next(redact_lines([LIFE[2]], KEY)))["name"].startswith("redacted ")


def test_a_redacted_file_redacted_again_has_valid_inputs() -> None:
    twice = list(redact_lines(redact_lines(LIFE, KEY), KEY))
    assert not [line for line in twice if isinstance(decode_input(line), Unreadable)]
    assert replayed(twice) == replayed(LIFE)


def test_other_accounts_stay_as_they_are_and_what_cannot_be_read_does_not() -> None:
    other = given("redirect-set", account_id="a-2", **told("redirect_to"))
    mine, theirs, unread = redact_lines([LIFE[4], other, REFUSED["malformed_json"][0]], KEY, frozenset({"a-1"}))
    assert theirs == other
    assert TOLD["redirect_to"].encode() not in mine
    assert unread == b"{"


def test_the_command_has_a_random_key_unless_it_is_given_one(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(LIFE))
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "short").write_bytes(b"x")
    random = [run("tollgate redact events.jsonl", tmp_path).stdout for _ in range(2)]
    keyed = [run("tollgate redact --key-file key events.jsonl", tmp_path).stdout for _ in range(2)]
    assert random[0] != random[1]
    assert keyed[0] == keyed[1] == b"\n".join([*redact_lines(LIFE, KEY), b""]).decode()
    refused = run("tollgate redact --key-file short events.jsonl", tmp_path)
    assert (refused.returncode, "fewer than 16 bytes" in refused.stderr) == (2, True)
