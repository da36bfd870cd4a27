"""Published events as the engine writes them, as far as the views read them."""

import json
from typing import Any

from agents.views import layout
from agents.views.layout import Write
from schemas.instant import format_instant

# A moment within what is kept of the tests' histories: 2026-01-01T00:00:00Z.
JANUARY_MS = 1_767_225_600_000


def event(type_: str, account: str, at_ms: int, **fields: Any) -> bytes:
    """The value of one event. `at_ms` counts from JANUARY_MS."""
    head = {"type": type_, "id": f"{account}/{type_}/{at_ms}", "account_id": account}
    return json.dumps({**head, "occurred_at": format_instant(JANUARY_MS + at_ms), **fields}).encode()


def admitted(account: str, call_id: str, at_ms: int, **fields: Any) -> bytes:
    return event("call-admitted", account, at_ms, call_id=call_id, reason="credits", **fields)


def redirected(account: str, call_id: str | None, at_ms: int, reason: str) -> bytes:
    return event("call-redirected", account, at_ms, call_id=call_id, reason=reason)


def charged(account: str, call_id: str, at_ms: int, started_ms: int | None = None, **fields: Any) -> bytes:
    started = format_instant(JANUARY_MS + (at_ms if started_ms is None else started_ms))
    return event("call-charged", account, at_ms, call_id=call_id, receipt={"started_at": started}, **fields)


def adjusted(account: str, call_id: str, at_ms: int, started_ms: int | None = None, **fields: Any) -> bytes:
    started = format_instant(JANUARY_MS + (at_ms if started_ms is None else started_ms))
    return event("charge-adjusted", account, at_ms, call_id=call_id, receipt={"started_at": started}, **fields)


def snapshot(account: str, version: int, **fields: Any) -> bytes:
    return event("account-snapshot", account, version, version=version, **fields)


def entry(account: str, number: int, at_ms: int) -> bytes:
    return event("ledger-entry-posted", account, at_ms, entry_id=f"{account}/ledger/{number}", kind="charge")


def written(topic: str, offset: int, value: bytes) -> Write:
    """The write of an event that the views keep."""
    write = layout.write_of(topic, offset, json.loads(value)["account_id"].encode(), value)
    assert write is not None
    return write
