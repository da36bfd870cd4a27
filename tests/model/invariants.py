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
    # Inputs of both classes may have one id (rule G4), and the same input may come again with another time.
    happened: dict[tuple[str, str], set[int]] = {}
    for wire in wires:
        try:
            at_ms = instant(str(wire["occurred_at"]))
        except ValueError:
            continue
        happened.setdefault((str(wire["account_id"]), str(wire["id"])), set()).add(at_ms)
    for fact in facts:
        # A start without an account and a refused one leave no trace: each is answered again, as the same fact, and the
        # call may still be decided.
        if fact["id"] in ids:
            found.append(f"two facts have the id {fact['id']}")
        if fact.get("reason") not in ("unknown_account", "refused"):
            ids.add(fact["id"])
        if fact.get("reason") == "refused" and None in (fact["caused_by"], fact["occurred_at"]):
            continue
        cause = happened.get((fact["account_id"], fact["caused_by"])) or happened.get(("*", fact["caused_by"]), set())
        if instant(fact["occurred_at"]) not in cause:
            found.append(f"{fact['id']}: occurred_at {fact['occurred_at']}, its inputs {cause}")
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
    numbers: dict[str, int] = defaultdict(int)
    is_paid: dict[str, bool] = {}
    for fact in facts:
        where = f"invoice {fact.get('invoice_id')}"
        if fact["type"] == "invoice-issued":
            numbers[fact["account_id"]] += 1
            if fact["number"] != numbers[fact["account_id"]]:
                found.append(f"{where}: the one before is {numbers[fact['account_id']] - 1}")
            if sum(line["amount_micros"] for line in fact["lines"]) != fact["total_micros"]:
                found.append(f"{where}: lines do not sum to the total")
            wallet = fact["wallet"]
            if wallet["opening_micros"] + wallet["credited_micros"] - wallet["used_micros"] != wallet["closing_micros"]:
                found.append(f"{where}: the wallet statement does not add up")
            if any(line["amount_micros"] == 0 and line["kind"] != "subscription" for line in fact["lines"]):
                found.append(f"{where}: a line of 0")
            is_paid[fact["invoice_id"]] = fact["status"] == "paid"
        if fact["type"] == "invoice-paid":
            if is_paid.get(fact["invoice_id"], True):
                found.append(f"{where}: paid twice, or before it was issued")
            is_paid[fact["invoice_id"]] = True
    return found
