"""The published schemas say what the code does: every fact fits them, and they refuse what we refuse."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from backoffice.replay import replay_lines, snapshot_lines
from demo.plans import plans_of_a_run
from demo.traffic import TrafficSettings, records
from schemas.codec import TYPES as INPUTS
from schemas.codec import Unreadable, decode_input
from schemas.instant import parse_instant
from schemas.plan import catalogue_from
from schemas.wire.generate import document_of, documents
from stream.ops.metric_table import DEAD_LETTER_CODES
from tests.wire.golden_files import THEMES, catalogue_of, inputs_of
from tests.wire.published import SUFFIX, TYPES, WIRE, errors, is_published, read_schema

# The types of the wire contract, by hand: a type that goes missing from the code must not go missing here in silence.
FACTS = {
    "account-snapshot",
    "balance-low",
    "billing-email-changed",
    "call-admitted",
    "call-charged",
    "call-overlong",
    "call-redirected",
    "call-stuck",
    "charge-adjusted",
    "funds-needed",
    "invoice-issued",
    "invoice-paid",
    "invoice-reversed",
    "ledger-entry-posted",
    "payment-contradicted",
    "payment-requested",
    "payment-reversed-alert",
    "purchase-declined",
    "receipt-issued",
    "refill-declined",
    "refill-paused",
    "refill-requested",
    "refill-succeeded",
    "refill-unresolved",
    "subscription-payment-declined",
    "upgrade-suggested",
}


def example_inputs() -> list[dict[str, Any]]:
    lines = (WIRE / "examples" / "inputs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def encoded(event: object) -> bytes:
    return json.dumps(event).encode()


def test_the_files_are_what_the_types_give() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in WIRE.glob(f"*{SUFFIX}")}
    assert texts == documents(), "stale: run python -m schemas.wire"


def test_every_code_of_a_dead_letter_is_published() -> None:
    assert set(read_schema("dead-letter")["properties"]["code"]["enum"]) == set(DEAD_LETTER_CODES)


def test_every_type_of_the_wire_has_a_schema() -> None:
    assert set(TYPES) == INPUTS | FACTS | {"dead-letter"}


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_is_valid_open_described_and_has_valid_examples(name: str) -> None:
    schema = read_schema(name)
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$id"] == f"urn:tollgate:wire:1:{name}"
    assert schema["description"]
    assert schema["examples"], f"{name} has no example"
    for example in schema["examples"]:
        assert errors(example) == []
        assert errors(example | {"a_field_of_tomorrow": [1]}) == []
    for part in (schema, *schema.get("$defs", {}).values()):
        assert "additionalProperties" not in part
        assert [n for n, p in part["properties"].items() if n != "type" and not p.get("description")] == []


@pytest.mark.parametrize("example", example_inputs(), ids=lambda example: f"{example['type']} {example['id']}")
def test_an_example_input_is_taken(example: dict[str, Any]) -> None:
    assert not isinstance(decode_input(encoded(example)), Unreadable)
    assert errors(example) == []


def broad_history() -> Iterator[dict[str, Any]]:
    """Every fact of the golden histories, and of a generated day of traffic in two currencies."""
    for theme in THEMES:
        yield from replay_lines(inputs_of(theme), catalogue_of(theme))
        yield from snapshot_lines(inputs_of(theme), catalogue_of(theme))
    midnight_ms = parse_instant("2026-02-28T00:00:00Z")
    day = TrafficSettings(midnight_ms, accounts=25, calls=1_200, partitions=1, malformed=0.02)
    lines = [record.value for record in records(day)]
    catalogue = catalogue_from(tomllib.loads(plans_of_a_run(1)))
    yield from replay_lines(lines, catalogue)
    yield from snapshot_lines(lines, catalogue)


def test_every_fact_of_a_broad_history_fits_its_schema() -> None:
    seen: dict[str, int] = {}
    for fact in broad_history():
        assert is_published(fact), (fact, errors(fact))
        seen[document_of(fact)] = seen.get(document_of(fact), 0) + 1
    assert set(seen) == FACTS | {"dead-letter"}
    assert seen["call-charged"] > 1_000


START: dict[str, Any] = {"type": "call-started", "call_id": "c1", "direction": "inbound"}
END: dict[str, Any] = {
    "type": "call-ended",
    "call_id": "c1",
    "direction": "inbound",
    "started_at": "2026-01-31T09:59:00Z",
    "answered_at": "2026-01-31T09:59:05Z",
    "outcome": "completed",
}
CARD: dict[str, Any] = {
    "type": "payment-method-added",
    "payment_method_id": "pm-1",
    "token": "tok",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 4,
    "exp_year": 2031,
}
GRANT: dict[str, Any] = {"type": "credits-granted", "grant_id": "g", "reason": "r", "actor": "a"}
BUY: dict[str, Any] = {"type": "credits-purchase-requested", "purchase_id": "p"}
OPEN: dict[str, Any] = {"type": "account-opened", "plan": "free"}
NUMBER: dict[str, Any] = {"type": "phone-number-added", "number": "+12025550101", "monthly_fee_micros": 2_000_000}
TAX: dict[str, Any] = {"type": "tax-rate-set", "rate_ppm": 82_500}


def event(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An input of these fields; `...` leaves one out."""
    head = {"id": "i1", "account_id": "a1", "occurred_at": "2026-01-31T10:00:00.250Z"}
    return {name: value for name, value in (head | fields | changes).items() if value is not ...}


TAKEN = [
    event(START),
    event(START, call_id="A-Za-z0-9._:+@-"),
    event(START, call_id="c" * 128),
    event(START, to=None, **{"from": None}),
    event(START, occurred_at="2028-02-29T23:59:59Z"),
    event(START, occurred_at="2026-01-31T10:00:00.2Z"),
    event(START, occurred_at="2026-01-31T10:00:00+01:00"),
    event(START, occurred_at="2026-01-31t10:00:00.123456789z"),
    event(START, occurred_at="2026-01-31T10:00:60-00:00"),
    event(END),
    event(END, answered_at=None),
    event(END, features=[], real=None),
    event(END, features=["live_agent", "live_agent"]),
    event(BUY, amount_micros=1),
    event(BUY, amount_micros=9 * 10**15 - 1),
    event(GRANT, amount_micros=-1),
    event(OPEN, currency="EUR", time_zone="Europe/Berlin"),
    event(CARD),
    event({"type": "alert-thresholds-set", "thresholds_micros": []}),
    event(NUMBER),
    event({"type": "phone-number-removed", "number": "reception"}),
    event(TAX),
    event(TAX, rate_ppm=0),
    event(TAX, rate_ppm=1_000_000),
    event({"type": "plan-change-requested", "plan": "dental"}),
    event({"type": "subscription-cancel-requested"}),
    event({"type": "subscription-cancel-requested", "reason": "x" * 60_000}),
    event({"type": "subscription-resume-requested"}),
    event({"type": "clock-ticked", "account_id": "*"}),
]
REFUSED = [
    event(START, type="call-melted"),
    event(START, type=...),
    event(START, id=...),
    event(START, id=7),
    event(START, call_id=""),
    event(START, call_id="c" * 129),
    event(START, call_id="c 1"),
    event(START, call_id="c1\n"),
    event(START, call_id="ç1"),
    event(START, account_id="a/b"),
    event(START, account_id="*"),
    event(START, account_id=None),
    event(START, direction="sideways"),
    event(START, occurred_at="2026-01-31T10:00:00"),
    event(START, occurred_at="2026-01-31 10:00:00Z"),
    event(START, occurred_at="2026-01-31T10:00:00.1234567890Z"),
    event(START, occurred_at="2026-01-31T10:00:61Z"),
    event(START, occurred_at="2026-01-31T10:00:00+24:00"),
    event(START, occurred_at="2026-01-31T24:00:00Z"),
    event(START, occurred_at="2026-02-29T10:00:00Z"),
    event(START, occurred_at="1969-12-31T23:59:59Z"),
    event(START, occurred_at="3000-01-01T00:00:00Z"),
    event(START, occurred_at=1769853600000),
    event(START, **{"from": 4930}),
    event(END, answered_at=...),
    event(END, outcome="melted"),
    event(END, features=["extra_calls"]),
    event(END, features="live_agent"),
    event(END, real="yes"),
    event(BUY, amount_micros=0),
    event(BUY, amount_micros=-1),
    event(BUY, amount_micros=9 * 10**15),
    event(BUY, amount_micros=1.5),
    event(BUY, amount_micros="1000000"),
    event(BUY, amount_micros=True),
    event(GRANT, amount_micros=9 * 10**15),
    event(GRANT, amount_micros=1, actor=...),
    event(OPEN, currency="usd"),
    event(OPEN, billing_email="nobody"),
    event(CARD, brand="diners"),
    event(CARD, last4="424"),
    event(CARD, exp_month=13),
    event({"type": "alert-thresholds-set", "thresholds_micros": [-(9 * 10**15)]}),
    event({"type": "alert-thresholds-set", "thresholds_micros": [0] * 17}),
    event(NUMBER, number=""),
    event(NUMBER, number=12025550101),
    event(NUMBER, monthly_fee_micros=-1),
    event(NUMBER, monthly_fee_micros=...),
    event(TAX, rate_ppm=-1),
    event(TAX, rate_ppm=1_000_001),
    event(TAX, rate_ppm=0.0825),
    event({"type": "plan-change-requested", "plan": ""}),
    event({"type": "plan-change-requested"}),
    event({"type": "subscription-cancel-requested", "reason": 7}),
    event({"type": "clock-ticked"}),
]
# What only the code can tell, because a JSON Schema cannot compare two fields, know time zones or tell 1.0 from 1.
REFUSED_BY_THE_CODE_ALONE = [
    event(END, answered_at="2026-01-31T09:58:59Z"),
    event(END, occurred_at="2026-01-31T09:59:04Z"),
    event(OPEN, time_zone="Mars/Olympus"),
    event(GRANT, amount_micros=0),
    event(BUY, amount_micros=1.0),
    event(CARD, token="4242 4242 4242 4242"),
]


def ids(events: list[dict[str, Any]]) -> list[str]:
    """For each its number and what tells it from the others."""
    common = {
        "id": "i1",
        "account_id": "a1",
        "occurred_at": "2026-01-31T10:00:00.250Z",
        **START,
        **END,
        **CARD,
        **NUMBER,
        **TAX,
    }
    return [
        f"{number} {event.get('type')} { ({n: str(v)[:30] for n, v in event.items() if v != common.get(n)}) }"
        for number, event in enumerate(events)
    ]


@pytest.mark.parametrize("case", TAKEN, ids=ids(TAKEN))
def test_code_and_schema_take_the_same(case: dict[str, Any]) -> None:
    assert not isinstance(decode_input(encoded(case)), Unreadable)
    assert is_published(case)


@pytest.mark.parametrize("case", REFUSED, ids=ids(REFUSED))
def test_code_and_schema_refuse_the_same(case: dict[str, Any]) -> None:
    assert isinstance(decode_input(encoded(case)), Unreadable)
    assert not is_published(case)


@pytest.mark.parametrize("case", REFUSED_BY_THE_CODE_ALONE, ids=ids(REFUSED_BY_THE_CODE_ALONE))
def test_what_a_schema_cannot_say_the_code_refuses(case: dict[str, Any]) -> None:
    assert isinstance(decode_input(encoded(case)), Unreadable)
    assert is_published(case)
