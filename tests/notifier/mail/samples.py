"""Events as the engine published them, from the golden histories, and what mails are written with."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from agents.notifier.event import Event, read_event
from agents.notifier.event_types import TOPIC_OF
from agents.notifier.mail.brand import look_of
from agents.notifier.mail.kinds import FIELDS
from agents.notifier.mail.writing import Writer
from agents.notifier.tables import Brand
from backoffice.documents.issuer import Issuer
from schemas.plan import Catalogue, load_catalogue

GOLDEN = Path(__file__).parents[2] / "wire" / "golden" / "v1"
CURRENCIES = ("USD", "EUR", "JPY")
BRAND = Brand(
    name="Acme Voice", colour="#0b6e4f", portal_url="https://pay.acme.example", support_email="help@acme.example"
)
_FEE = {"kind": "subscription", "description": "Professional, monthly fee", "amount_micros": 49_000_000}
# What no golden history has.
_MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("purchase-declined", {"reason": "authentication_required"}),
    ("refill-declined", {"reason": "authentication_required", "retry_at": None}),
    ("refill-paused", {"reason": "refund", "brand": None, "last4": None}),
    ("subscription-payment-declined", {"reason": "authentication_required", "retry_at": None}),
    ("subscription-payment-declined", {"reason": "dispute", "retry_at": None, "brand": None, "last4": None}),
    ("payment-reversed", {"kind": "refund"}),
    ("balance-low", {"balance_micros": 0, "threshold_micros": 0, "severity": "critical"}),
    ("balance-low", {"balance_micros": -2_400_000, "threshold_micros": 0, "severity": "critical"}),
    ("call-stuck", {"hold_micros": 3_000_000}),
    ("funds-needed", {"redirected_calls": 7}),
    ("invoice-issued", {"carried_micros": -4_000_000}),
    # The contract does not promise `open_micros`.
    ("invoice-issued", {"status": "open", "open_micros": None, "lines": [_FEE], "total_micros": 49_000_000}),
)


def event_of(fields: dict[str, Any]) -> Event:
    """The event with these fields; a field that is None is left out."""
    value = orjson.dumps({name: value for name, value in fields.items() if value is not None})
    return read_event(TOPIC_OF[fields["type"]], 0, 7, fields["account_id"].encode(), value, 1_770_000_000_000)


def changed(event: Event, **fields: Any) -> Event:
    return event_of({**event.fields, **fields})


@cache
def named_events() -> dict[str, Event]:
    """One event of each type and variant by name, with an address where it is for an owner."""
    found: dict[str, Event] = {}
    for fields in _published():
        owner = {} if fields.get("audience") == "operator" else {"billing_email": "owner@example.com"}
        event = event_of({**fields, **owner})
        found.setdefault(_name(event), event)
    for kind, fields in _MORE:
        event = changed(next(event for event in found.values() if event.type == kind), **fields)
        name = _name(event)
        number = sum(known.startswith(name) for known in found)
        found[f"{name}-{number}" if number else name] = event
    return found


def events() -> tuple[Event, ...]:
    return tuple(named_events().values())


def one(kind: str, **fields: Any) -> Event:
    """An event of the type, with some fields changed."""
    return changed(next(event for event in events() if event.type == kind), **fields)


def _name(event: Event) -> str:
    words = (event.fields.get(name) for name in ("reason", "kind", "purpose", "status", "severity"))
    retried = ["retried"] if "retry_at" in event.fields else []
    return "-".join([event.type, *(word for word in words if word), *retried])


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


@cache
def writer(brand: Brand = BRAND, folder: Path | None = None) -> Writer:
    return Writer(look_of(brand, Issuer(), None), catalogue(), folder)


def _published() -> Iterator[dict[str, Any]]:
    for path in sorted(GOLDEN.glob("*.facts.jsonl")):
        for line in path.read_bytes().splitlines():
            fields = orjson.loads(line)
            if fields["type"] in FIELDS:
                yield fields
