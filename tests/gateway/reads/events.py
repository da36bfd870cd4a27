"""Events with amounts, as far as the lists show them; those of the views' tests have none."""

from typing import Any

from agents.views.layout import CHARGES, DECISIONS, INVOICES, SNAPSHOTS
from tests.gateway.reads.filled import ALERTS, LEDGER, Event
from tests.views import events
from tests.views.events import event


def snapshot(account: str, version: int = 1, **fields: Any) -> Event:
    return SNAPSHOTS, events.snapshot(account, version, **{"time_zone": "UTC", **fields})


def charge(account: str, call_id: str, at_ms: int, micros: int = 3_000_000, **fields: Any) -> Event:
    amounts = {"amount_micros": micros, "currency": "USD", "wallet_micros": micros, "card_micros": 0}
    return CHARGES, events.charged(account, call_id, at_ms, **{**amounts, "balance_after_micros": 0, **fields})


def adjustment(account: str, call_id: str, at_ms: int, micros: int, **fields: Any) -> Event:
    amounts = {"amount_micros": micros, "currency": "USD", "wallet_micros": micros, "card_micros": 0}
    return CHARGES, events.adjusted(account, call_id, at_ms, **{**amounts, "balance_after_micros": 0, **fields})


def admission(account: str, call_id: str, at_ms: int) -> Event:
    return DECISIONS, events.admitted(account, call_id, at_ms)


def redirection(account: str, call_id: str, at_ms: int, reason: str = "insufficient_balance") -> Event:
    return DECISIONS, events.redirected(account, call_id, at_ms, reason)


def alert(account: str, at_ms: int, type_: str = "balance-low", **fields: Any) -> Event:
    return ALERTS, event(type_, account, at_ms, **{"severity": "info", "audience": "owner", **fields})


def movement(account: str, number: int, at_ms: int) -> Event:
    return LEDGER, events.entry(account, number, at_ms)


def invoice(account: str, number: int, at_ms: int, status: str = "open", **fields: Any) -> Event:
    own = {"invoice_id": f"{account}/invoice/{number}", "status": status, "total_micros": 49_000_000, "currency": "USD"}
    return INVOICES, event("invoice-issued", account, at_ms, **own, reference=f"{account}-{number:04}", **fields)


def about_invoice(type_: str, account: str, number: int, at_ms: int) -> Event:
    return INVOICES, event(type_, account, at_ms, invoice_id=f"{account}/invoice/{number}")
