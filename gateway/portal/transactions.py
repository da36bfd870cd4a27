"""Movements of the wallet, each with the balance after it; of calls also why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from agents.views import layout
from gateway.portal.call_rows import length_of, title_of
from gateway.portal.card_words import card_name
from gateway.portal.pages import Page
from gateway.portal.visit import Visit
from gateway.portal.why import Why, history_of, why_of
from gateway.portal.words import Words
from gateway.reads.calls import Call, Place, call_of
from gateway.reads.cursor import Cursor, checksum_of, decode, encode

PATH: Final = "/portal/transactions"
ROWS = 25
_OF_CALLS = frozenset({"charge", "adjustment"})
_PAID = frozenset({"purchase", "refill"})

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transaction:
    """`detail` is the card that paid, or how long the call took. `receipt_id` names the receipt of a payment, and
    `refundable_until` is set while some of it can be refunded.
    """

    entry_id: str
    at: str
    title: str
    detail: str
    amount_micros: int
    balance_after_micros: int
    why: Why | None = None
    receipt_id: str = ""
    refundable_until: str = ""
    refundable_micros: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """What entries refer to: the events of each call, the decision first, and receipts by what caused them."""

    calls: Mapping[str, Sequence[Event]]
    receipts: Mapping[str, Event]


async def transactions_of(visit: Visit, limit: int, below: int | None = None) -> tuple[list[Transaction], int | None]:
    """The movements below this offset of the log, newest first, and the offset for what follows."""
    entries, following = await visit.page("ledger", limit, below=below)
    around = Around(await _calls(visit, entries), await _receipts(visit, entries))
    return [transaction(entry, visit.snapshot, around, visit.words) for entry in entries], following


async def _calls(visit: Visit, entries: Iterable[Event]) -> dict[str, list[Event]]:
    ids = list(dict.fromkeys(call_id for entry in entries if (call_id := call_id_of(entry)) is not None))
    account = visit.source
    places = [Place(0, call_id.encode()) for call_id in ids]
    found = await account.ask(*(("HGETALL", layout.call_key(account.account, place.call_id)) for place in places))
    known = [call_of(place, fields) for place, fields in zip(places, found, strict=True)]
    return {call_id: _events(call) for call_id, call in zip(ids, known, strict=True)}


def _events(call: Call) -> list[Event]:
    values = (call.decision, call.charge, *call.adjustments)
    return [orjson.loads(value) for value in values if value is not None]


async def _receipts(visit: Visit, entries: Iterable[Event]) -> dict[str, Event]:
    """The receipts of the payments among the entries: a payment's answer has caused both."""
    causes = {entry["caused_by"] for entry in entries if entry["kind"] in _PAID}
    if not causes:
        return {}
    found = await visit.newest(
        "invoices", len(causes), wanted=lambda e: e["type"] == "receipt-issued" and e["caused_by"] in causes
    )
    return {receipt["caused_by"]: receipt for receipt in found}


def call_id_of(entry: Event) -> str | None:
    """The call that an entry is about, None for any other entry."""
    if entry["kind"] not in _OF_CALLS or "/" in entry["reference"]:
        return None
    return str(entry["reference"]).replace("%2F", "/").replace("%25", "%")


def transaction(entry: Event, snapshot: Event, around: Around, words: Words) -> Transaction:
    """One row of the page."""
    if call_id_of(entry) in around.calls:
        return _of_call(entry, snapshot, around, words)
    receipt = around.receipts.get(entry["caused_by"]) if entry["kind"] in _PAID else None
    refundable = [one for one in snapshot["refundable"] if one["purchase_id"] == entry["reference"]]
    refundable = refundable if entry["kind"] in _PAID else []
    return Transaction(
        entry["entry_id"],
        entry["occurred_at"],
        _title(entry),
        card_name(receipt) if receipt else "",
        entry["amount_micros"],
        entry["balance_after_micros"],
        receipt_id=receipt["receipt_id"] if receipt else "",
        refundable_until=refundable[-1]["until"] if refundable else "",
        refundable_micros=sum(one["amount_micros"] for one in refundable),
    )


def _of_call(entry: Event, snapshot: Event, around: Around, words: Words) -> Transaction:
    call_id = call_id_of(entry)
    assert call_id is not None
    events = around.calls[call_id]
    history = history_of(snapshot, events, call_id) if events else None
    moves = [] if history is None else history.moves()
    moved = (entry["caused_by"], -entry["amount_micros"], entry["balance_after_micros"])
    move = next((m for m in moves if (m.caused_by, m.wallet_micros, m.balance_after_micros) == moved), None)
    title = call_title(events)
    return Transaction(
        entry["entry_id"],
        entry["occurred_at"],
        f"Correction: {title[:1].lower()}{title[1:]}" if entry["kind"] == "adjustment" else title,
        "" if move is None or not move.billable_ms else length_of(move.billable_ms),
        entry["amount_micros"],
        entry["balance_after_micros"],
        None if history is None or move is None else why_of(history, move, words),
    )


def call_title(events: Sequence[Event]) -> str:
    """`Call from +1 415 555 0123`, as far as it is known who called whom."""
    known: dict[str, Any] = {}
    for event in events:
        known = {**event, **known}
    return title_of(str(known.get("direction")), known)


def _title(entry: Event) -> str:
    more = entry["amount_micros"] > 0
    match entry["kind"]:
        case "purchase":
            return "Credits added"
        case "refill":
            return "Credits added automatically"
        case "grant":
            return "Credits given by support" if more else "Credits taken back by support"
        case "refund":
            return "Refund returned: the bank did not take it" if more else "Refund to your card"
        case "reversal":
            return "Payment returned by the bank" if more else "Payment taken back by the bank"
        case "adjustment":
            return "Settled from an invoice"
        case "charge":
            return "Call"
        case kind:
            return str(kind).replace("_", " ").capitalize()


async def _context(visit: Visit) -> dict[str, Any]:
    checksum = checksum_of(visit.session.account_id, PATH)
    given = visit.request.query_params.get("cursor", "")
    below = decode(given, checksum).place if given else None
    rows, following = await transactions_of(visit, ROWS, below)
    older = None if following is None else encode(Cursor(checksum, following))
    return {"transactions": rows, "is_first": below is None, "older": older}


PAGES = (Page(PATH, "credits", "Transactions", "transactions.html", _context),)
