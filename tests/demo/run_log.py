"""The records of a small run that adds up, one by one, so that tests can plant faults."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from demo.verify import Audit
from schemas.batch import Headers

PERIOD, PERIOD_END = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
RATED = {"increment_first_s": 60, "increment_next_s": 60}


# A period of an account in which nothing happened.
QUIET: dict[str, Any] = {"period_start": "2025-12-01T00:00:00Z", "period_end": PERIOD}
FIRST_INVOICE: dict[str, Any] = {
    "period_start": PERIOD,
    "period_end": PERIOD_END,
    "lines": [
        {"kind": "subscription", "amount_micros": 49_000_000},
        {"kind": "overage", "amount_micros": 3_400_000},
        {"kind": "top_up", "amount_micros": 20_000_000},
        {"kind": "tax", "amount_micros": 4_000_000},
        {"kind": "wallet_credit", "amount_micros": -3_200_000},
    ],
    "tax_micros": 4_000_000,
    "total_micros": 73_200_000,
    "wallet": {"credited_micros": 20_000_000, "used_micros": 3_200_000, "closing_micros": 16_800_000},
    "open_micros": 4_000_000,
    "status": "open",
}


@dataclass
class Record:
    value: bytes
    partition: int
    offset: int
    headers: Headers


@dataclass
class RunLog:
    """Each method adds one or more records of account `a`. Money in micros. The newest input has caused each fact."""

    audit: Audit = field(default_factory=Audit)
    offset: int = 0
    cause: str = ""

    def put(self, topic: str, **fields: Any) -> Self:
        return self._record(topic, (), fields)

    def _record(self, topic: str, headers: Headers, fields: dict[str, Any]) -> Self:
        self.offset += 1
        fact = {"account_id": "a", "occurred_at": "2026-01-05T10:00:00Z", "id": f"f{self.offset}", **fields}
        if topic == "account-events":
            self.cause = str(fact["id"])
        else:
            fact.setdefault("caused_by", self.cause)
        value = json.dumps(fact, separators=(",", ":")).encode()
        self.audit.take(topic, Record(value, 0, self.offset, headers))
        return self

    def ended(self, call_id: str, minutes: int = 1, **fields: Any) -> Self:
        wire = {
            "type": "call-ended",
            "id": f"in-{call_id}",
            "call_id": call_id,
            "started_at": "2026-01-05T10:00:00Z",
            "answered_at": "2026-01-05T10:00:00Z",
            "occurred_at": f"2026-01-05T10:{minutes:02}:00Z",
            "outcome": "completed",
        }
        return self.put("account-events", **wire | fields)

    def charged(self, call_id: str, fact_id: str, amount: int = 0, **fields: Any) -> Self:
        charge = {
            "type": "call-charged",
            "id": fact_id,
            "call_id": call_id,
            "amount_micros": amount,
            "wallet_micros": amount,
            "card_micros": 0,
            "lines": [{"kind": "extra_call", "quantity": 1, "amount_micros": amount}],
            "plan": "free",
            "period_start": PERIOD,
            "receipt": {"gate": "admitted"},
        }
        return self.put("charges", **charge | fields)

    def rated(self, call_id: str, fact_id: str, wallet: int = 0, card: int = 0, **more: Any) -> Self:
        """A charge on a minutes plan."""
        receipt = {"gate": "admitted", "minutes": RATED}
        fields = {"wallet_micros": wallet, "card_micros": card, "receipt": receipt, "plan": "professional", **more}
        return self.charged(call_id, fact_id, wallet + card, **fields)

    def posted(self, fact_id: str, kind: str, amount: int, **fields: Any) -> Self:
        fact = {"type": "ledger-entry-posted", "id": fact_id, "kind": kind, "amount_micros": amount}
        return self.put("ledger-entries", **fact | fields)

    def requested(self, payment_id: str, purpose: str, amount: int, **fields: Any) -> Self:
        fact = {"id": f"{payment_id}/payment", "payment_id": payment_id, "purpose": purpose, "amount_micros": amount}
        return self.put("payment-requests", type="payment-requested", **fact | fields)

    def answered(self, payment_id: str, answer: str = "succeeded", **fields: Any) -> Self:
        wire = {"type": f"payment-{answer}", "id": f"in-{payment_id}", "payment_id": payment_id, "reason": "no_luck"}
        return self.put("account-events", **wire | fields)

    def receipted(self, payment_id: str, amount: int, **fields: Any) -> Self:
        fact = {"id": f"{payment_id}/receipt", "payment_id": payment_id, "amount_micros": amount}
        return self.put("invoices", type="receipt-issued", **fact | fields)

    def paid(self, payment_id: str, purpose: str, amount: int, **fields: Any) -> Self:
        """A requested payment that succeeded, with its receipt."""
        return self.requested(payment_id, purpose, amount, **fields).answered(payment_id).receipted(payment_id, amount)

    def ticked(self) -> Self:
        return self.put("account-events", type="clock-ticked", id=f"tick-{self.offset}", account_id="*")

    def reversed(self, payment_id: str, kind: str, amount: int, **fields: Any) -> Self:
        """A reversal with its alert, and without what it moves."""
        wire = {"type": "payment-reversed", "payment_id": payment_id, "kind": kind, "amount_micros": amount}
        return self.put("account-events", **wire | fields).put("alerts", **wire)

    def invoiced(self, number: int, fee: int, tax: int = 0, open_micros: int = 0, **fields: Any) -> Self:
        """An invoice, and the tick that issues it."""
        self.ticked()
        lines = [{"kind": "subscription", "amount_micros": fee}, {"kind": "tax", "amount_micros": tax}]
        fact = {
            "type": "invoice-issued",
            "id": f"a/invoice/{number}/issued",
            "invoice_id": f"a/invoice/{number}",
            "number": number,
            "plan": "professional",
            "period_start": PERIOD,
            "period_end": PERIOD_END,
            "lines": lines,
            "total_micros": fee + tax,
            "tax_micros": tax,
            "open_micros": open_micros,
            "status": "open" if open_micros else "paid",
        }
        return self.put("invoices", **fact | fields)

    def invoice_paid(self, number: int) -> Self:
        fact = {"id": f"a/invoice/{number}/paid", "invoice_id": f"a/invoice/{number}", "number": number}
        return self.put("invoices", type="invoice-paid", **fact)

    def snapshot(self, version: int, balance: int, minutes_used: int = 0, due: int = 0, **fields: Any) -> Self:
        fact = {
            "type": "account-snapshot",
            "id": f"a/{version}",
            "version": version,
            "balance_micros": balance,
            "card_due_micros": due,
            "usage": {"period_start": PERIOD, "minutes_used": minutes_used},
        }
        return self.put("account-snapshots", **fact | fields)

    def rejected(self, code: str) -> Self:
        """The newest record became a dead letter."""
        headers = (
            ("errors.code", code.encode()),
            ("errors.partition", b"0"),
            ("errors.offset", str(self.offset).encode()),
        )
        return self._record("dead-letters", headers, {})


def run_that_adds_up() -> RunLog:
    """One account with three calls (one reported twice) and a rejected one; $20 bought, a fee paid, an invoice paid
    late, $0.50 of overage with $0.30 on the card, of which $0.20 is requested and $0.10, of a late call, due; one
    payment was declined.
    """
    log = RunLog()
    log.put("account-events", type="payment-method-added", id="card")
    log.paid("a/purchase/1", "purchase", 20_000_000)
    log.posted("e1", "purchase", 20_000_000)
    log.ended("c1")
    log.ended("c1")
    log.ended("c2", minutes=4)
    log.ended("c3").rejected("too_late")
    log.charged("c1", "f1", 3_000_000)
    log.posted("e2", "charge", -3_000_000)
    log.rated("c2", "f2", wallet=200_000, card=200_000)
    log.posted("e3", "charge", -200_000)
    log.requested("a/overage/1", "overage", 200_000)
    log.answered("a/overage/1", "declined")
    log.paid("a/overage/2", "overage", 200_000)
    log.paid("a/subscription/1/1", "subscription", 49_000_000)
    log.invoiced(1, 0, **FIRST_INVOICE)
    log.paid("a/invoice/1/1", "invoice", 4_000_000)
    log.invoice_paid(1)
    log.ended("c4", minutes=2)
    log.rated("c4", "f4", card=100_000)
    log.snapshot(2, 16_800_000, minutes_used=6, due=100_000)
    log.snapshot(1, 20_000_000)
    return log
