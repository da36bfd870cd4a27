"""Seeded traffic of a few accounts: every kind of input, out of order, twice, contradicting, late."""

import random
from collections.abc import Iterator
from typing import Any

from tests.agents.partition import Event
from tests.rules.story import later

FEATURES = ("live_agent", "appointment_booking")
SWITCHES = ("extra_calls", *FEATURES)
PLANS = ("free", "professional", "dental")


class Traffic:
    """The same seed gives the same inputs. `payments` are told by whoever runs it: see `answers`."""

    def __init__(self, seed: int, start: str = "2026-01-01T00:00:00Z") -> None:
        self.random = random.Random(seed)
        self.now = start
        self.sent: list[Event] = []
        self.calls: list[tuple[str, str, str]] = []
        self.owed: list[tuple[str, str]] = []
        self.count = 0

    def event(self, kind: str, account_id: str, at: str | None = None, **fields: Any) -> Event:
        self.count += 1
        head = {"type": kind, "id": f"i{self.count}", "account_id": account_id, "occurred_at": at or self.now}
        event = {**head, **fields}
        self.sent.append(event)
        return event

    def opening(self, accounts: int) -> Iterator[Event]:
        for n in range(accounts):
            account_id = f"a{n}"
            yield self.event("account-opened", account_id, plan=PLANS[n % len(PLANS)])
            card: Event = {"token": "t", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
            yield self.event("payment-method-added", account_id, payment_method_id="pm", **card)
            for switch in SWITCHES:
                yield self.event("feature-set", account_id, feature=switch, enabled=True)
            yield self.event("auto-refill-set", account_id, enabled=n % 2 == 0, amount_micros=20_000_000)

    def answers(self, facts: list[Event]) -> None:
        """Remember the payments that were asked for: they are answered some time."""
        self.owed += [(f["account_id"], f["payment_id"]) for f in facts if f["type"] == "payment-requested"]

    def batch(self, accounts: int, size: int) -> list[Event]:
        return [self.next(f"a{self.random.randrange(accounts)}") for _ in range(size)]

    def next(self, account_id: str) -> Event:
        roll = self.random.random()
        if roll < 0.08:
            return self.random.choice(self.sent)
        if roll < 0.15:
            return self.tick(seconds=self.random.choice([1, 60, 3_600, 15_000, 90_000, 600_000]))
        if roll < 0.25 and self.owed:
            account_id, payment_id = self.owed.pop(self.random.randrange(len(self.owed)))
            if self.random.random() < 0.6:
                return self.event("payment-succeeded", account_id, payment_id=payment_id)
            retryable = self.random.random() < 0.7
            return self.event("payment-declined", account_id, payment_id=payment_id, reason="x", retryable=retryable)
        if roll < 0.35:
            return self.money(account_id)
        if roll < 0.38:
            return self.subscription(account_id)
        if roll < 0.42:
            feature, enabled = self.random.choice(SWITCHES), self.random.random() < 0.7
            return self.event("feature-set", account_id, feature=feature, enabled=enabled)
        return self.call(account_id)

    def tick(self, **by: int) -> Event:
        self.now = later(self.now, **by)
        return self.event("clock-ticked", "*")

    def money(self, account_id: str) -> Event:
        number, kind = self.count, self.random.randrange(3)
        if kind == 0:
            amount = self.random.choice([-7_000_000, 500_000, 9_000_000])
            return self.event(
                "credits-granted", account_id, grant_id=f"g{number}", amount_micros=amount, reason="r", actor="a"
            )
        if kind == 1:
            return self.event(
                "credits-purchase-requested", account_id, purchase_id=f"p{number % 7}", amount_micros=5_000_000
            )
        return self.event("credits-refund-requested", account_id, purchase_id=f"p{self.random.randrange(7)}")

    def subscription(self, account_id: str) -> Event:
        kind = self.random.randrange(5)
        if kind == 0:
            return self.event("plan-change-requested", account_id, plan=self.random.choice(PLANS))
        if kind == 1:
            return self.event("subscription-cancel-requested", account_id)
        if kind == 2:
            return self.event("subscription-resume-requested", account_id)
        if kind == 3:
            return self.event("tax-rate-set", account_id, rate_ppm=self.random.choice([0, 82_500]))
        number = f"+1555010{self.random.randrange(3)}"
        if self.random.random() < 0.5:
            return self.event("phone-number-removed", account_id, number=number)
        return self.event("phone-number-added", account_id, number=number, monthly_fee_micros=2_000_000)

    def call(self, account_id: str) -> Event:
        """A new call's start, or the end or correction of one of the last hundred."""
        roll = self.random.random()
        if roll < 0.4 or not self.calls:
            call_id = f"c{self.count}"
            self.calls = [*self.calls[-100:], (account_id, call_id, self.now)]
            if roll < 0.33:
                return self.event("call-started", account_id, call_id=call_id, direction="inbound")
        account_id, call_id, started = self.random.choice(self.calls)
        if roll > 0.85:
            return self.event("call-reclassified", account_id, call_id=call_id, real=self.random.random() < 0.5)
        if self.random.random() < 0.05:
            started = later(started, days=-20)
        answered = started if self.random.random() < 0.85 else None
        used = self.random.sample(FEATURES, self.random.randrange(3))
        return self.event(
            "call-ended",
            account_id,
            later(started, seconds=self.random.choice([30, 60, 3_000])),
            call_id=call_id,
            direction=self.random.choice(["inbound", "outbound", "web"]),
            started_at=started,
            answered_at=answered,
            outcome="completed" if answered else "no_answer",
            features=used,
        )
