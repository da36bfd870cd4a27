"""The sums of a month, by currency, plan and item, in exact micros."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# The sections of a report with their items, in order, and what people read for them.
SECTIONS: dict[str, dict[str, str]] = {
    "invoiced": {
        "subscription": "subscription fees",
        "proration": "prorations",
        "overage": "calls",
        "phone_number": "phone fees",
        "tax": "tax",
        "top_up": "wallet top-ups",
        "wallet_credit": "paid from wallets",
        "carried": "carried from earlier invoices",
        "total": "total of the invoices",
        "reversed": "reversed payments of invoices",
    },
    "calls": {
        "charged": "charged",
        "adjusted": "corrected",
        "by_wallet": "of both paid from wallets",
        "by_card": "of both on the card",
    },
    "cards": {
        "subscription": "fees and prorations",
        "overage": "overage",
        "invoice": "invoices",
        "purchase": "purchases of credits",
        "refill": "refills",
        "total": "card payments received",
    },
    "wallets": {
        "opening": "balances at the start",
        "purchase": "credits sold by purchases",
        "refill": "credits sold by refills",
        "grant": "granted",
        "charge": "used by calls",
        "adjustment": "given back by corrections",
        "paid_out": "carried sums paid into wallets",
        "refund": "refunded",
        "reversal": "reversed",
        "closing": "balances at the end",
    },
    "month_end": {
        "liability": "owed to wallets (positive balances)",
        "debt": "owed by wallets (negative balances)",
        "open": "open on invoices",
        "carried": "carried to the next invoices",
        "reversed": "reversed payments, net",
        "disputed": "in dispute, as reported",
    },
}
TITLES = {
    "invoiced": "Invoices issued in the month",
    "calls": "Calls charged in the month",
    "cards": "Card payments in the month",
    "wallets": "Wallets",
    "month_end": "At the month's end",
}


class Key(NamedTuple):
    currency: str
    plan: str
    section: str
    item: str


class Sum(NamedTuple):
    """`amounts` is how many amounts make the sum."""

    micros: int = 0
    amounts: int = 0


@dataclass(slots=True)
class Sums:
    by_key: dict[Key, Sum] = field(default_factory=dict)

    def add(self, key: Key, micros: int, amounts: int = 1) -> None:
        assert key.item in SECTIONS[key.section], key
        before = self.by_key.get(key, Sum())
        self.by_key[key] = Sum(before.micros + micros, before.amounts + amounts)

    def currencies(self) -> list[str]:
        return sorted({key.currency for key in self.by_key})

    def plans(self, currency: str) -> list[str]:
        return sorted({key.plan for key in self.by_key if key.currency == currency})

    def of(self, currency: str, section: str, item: str, plan: str | None = None) -> Sum | None:
        """The sum of an item, of all plans when `plan` is None; None when there is nothing of it."""
        found = [
            one
            for key, one in self.by_key.items()
            if key[0] == currency and key[2:] == (section, item) and plan in {None, key.plan}
        ]
        return Sum(sum(one.micros for one in found), sum(one.amounts for one in found)) if found else None

    def items(self, currency: str) -> Iterator[tuple[str, str]]:
        """The sections and items that have a sum in the currency, in order."""
        present = {key[2:] for key in self.by_key if key.currency == currency}
        for section, labels in SECTIONS.items():
            for item in labels:
                if (section, item) in present:
                    yield section, item
