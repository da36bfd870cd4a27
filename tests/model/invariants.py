"""What holds of the facts whatever the model says: ids, the ledger, charges, payments and invoices."""

import json
from collections import defaultdict
from collections.abc import Sequence

from tests.model.against import RealRun
from tests.model.naive_time import instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import Fact


def broken_invariants(wires: Sequence[Wire], real: RealRun) -> list[str]:
    """One sentence for each that does not hold."""
    facts = [fact for fact in real.facts if fact["type"] != "dead-letter"]
    return [
        *_broken_ids(wires, facts),
        *_broken_ledger(facts),
        *_broken_charges(facts),
        *_broken_payments(facts, real.lines),
        *_broken_invoices(facts),
    ]


def _broken_ids(wires: Sequence[Wire], facts: list[Fact]) -> list[str]:
    found: list[str] = []
    ids: set[str] = set()
    happened = {(str(wire["account_id"]), str(wire["id"])): str(wire["occurred_at"]) for wire in reversed(wires)}
    for fact in facts:
        # The start of a call without an account is answered again, as the same fact, once it is forgotten.
        if fact["id"] in ids and fact.get("reason") != "unknown_account":
            found.append(f"two facts have the id {fact['id']}")
        ids.add(fact["id"])
        cause = happened.get((fact["account_id"], fact["caused_by"])) or happened.get(("*", fact["caused_by"]))
        if cause is None or instant(cause) != instant(fact["occurred_at"]):
            found.append(f"{fact['id']}: occurred_at {fact['occurred_at']}, its input {cause}")
    return found


def _broken_ledger(facts: list[Fact]) -> list[str]:
    found: list[str] = []
    balances: dict[str, int] = defaultdict(int)
    for fact in facts:
        if fact["type"] == "ledger-entry-posted":
            balances[fact["account_id"]] += fact["amount_micros"]
            if fact["balance_after_micros"] != balances[fact["account_id"]] or fact["amount_micros"] == 0:
                found.append(f"ledger chain of {fact['account_id']} broken at {fact['id']}")
    return found


def _broken_charges(facts: list[Fact]) -> list[str]:
    found: list[str] = []
    charges: dict[str, Fact] = {}
    for fact in facts:
        if fact["type"] not in ("call-charged", "charge-adjusted"):
            continue
        key = f"{fact['account_id']} {fact['call_id']}"
        if sum(line["amount_micros"] for line in fact["lines"]) != fact["amount_micros"]:
            found.append(f"{key}: lines do not sum to the amount")
        if fact["wallet_micros"] + fact["card_micros"] != fact["amount_micros"]:
            found.append(f"{key}: wallet and card do not sum to the amount")
        if fact["balance_before_micros"] - fact["wallet_micros"] != fact["balance_after_micros"]:
            found.append(f"{key}: balance before, wallet and balance after do not agree")
        if fact["type"] == "call-charged":
            if key in charges:
                found.append(f"{key}: charged twice")
            charges[key] = fact
        elif fact.get("adjusts") != charges.get(key, {}).get("id"):
            found.append(f"{key}: adjusts {fact.get('adjusts')}, its charge is {charges.get(key, {}).get('id')}")
    return found


def _broken_payments(facts: list[Fact], lines: list[bytes]) -> list[str]:
    """Each is asked for once, and the card never for more overage than there was, what it declined left out."""
    asked = [fact for fact in facts if fact["type"] == "payment-requested"]
    ids = [fact["payment_id"] for fact in asked]
    found = [f"{payment_id} asked for twice" for payment_id in set(ids) if ids.count(payment_id) > 1]
    first_answers: dict[str, str] = {}
    for wire in map(json.loads, lines):
        if wire["type"] in ("payment-succeeded", "payment-declined"):
            first_answers.setdefault(f"{wire['account_id']} {wire['payment_id']}", wire["type"])
    left: dict[str, int] = defaultdict(int)
    for fact in facts:
        if fact["type"] in ("call-charged", "charge-adjusted"):
            left[fact["account_id"]] += fact["card_micros"]
        elif fact["type"] == "payment-requested" and fact["purpose"] == "overage":
            answer = first_answers.get(f"{fact['account_id']} {fact['payment_id']}")
            left[fact["account_id"]] -= 0 if answer == "payment-declined" else fact["amount_micros"]
    return found + [f"{account_id}: {-due} too much overage asked for" for account_id, due in left.items() if due < 0]


def _broken_invoices(facts: list[Fact]) -> list[str]:
    found: list[str] = []
    issued: dict[str, list[bool]] = defaultdict(list)
    for fact in facts:
        paid = issued[fact["account_id"]]
        where = f"invoice {fact.get('number')} of {fact['account_id']}"
        if fact["type"] == "invoice-issued":
            if fact["number"] != len(paid) + 1:
                found.append(f"{where}: the one before is {len(paid)}")
            if sum(line["amount_micros"] for line in fact["lines"]) != fact["total_micros"]:
                found.append(f"{where}: lines do not sum to the total")
            if (fact["status"] == "paid") != (fact["open_micros"] == 0) or fact["open_micros"] < 0:
                found.append(f"{where}: {fact['status']} with {fact['open_micros']} open")
            if any(line["amount_micros"] == 0 and line["kind"] != "subscription" for line in fact["lines"]):
                found.append(f"{where}: a line of 0")
            paid.append(fact["status"] == "paid")
        if fact["type"] == "invoice-paid":
            if fact["number"] > len(paid) or paid[fact["number"] - 1]:
                found.append(f"{where}: paid twice, or before it was issued")
            else:
                paid[fact["number"] - 1] = True
    return found
