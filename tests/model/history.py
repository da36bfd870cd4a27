"""A history of inputs written down call by call, for the examples and for the generated histories alike."""

from typing import Any

from backoffice.replay import Time
from tests.model.naive_time import instant, wire_time
from tests.model.naive_wire import Wire

DOLLAR = 1_000_000
SIGNUP_MS = instant("2026-01-31T10:00:00.000Z")


class History:
    """Inputs in log order. `now_ms` is where the next input happens unless it says otherwise (`at_ms`).

    `time` is how it is replayed. `arrives` when each line says that the broker took it at `now_ms`.
    """

    def __init__(self, now_ms: int = SIGNUP_MS, time: Time = "broker", *, arrives: bool = False) -> None:
        self.wires: list[Wire] = []
        self.now_ms = now_ms
        self.time: Time = time
        self.arrives = arrives

    def add(self, kind: str, /, account_id: str = "a", *, at_ms: int | None = None, **fields: Any) -> Wire:
        """One input, whose id is its place in the log. A value of None is written as null."""
        at = self.now_ms if at_ms is None else at_ms
        wire = {
            "type": kind,
            "id": f"i{len(self.wires)}",
            "account_id": account_id,
            "occurred_at": wire_time(at),
            **({"arrived_at": wire_time(self.now_ms)} if self.arrives else {}),
            **fields,
        }
        self.wires.append(wire)
        return wire

    def open(self, account_id: str = "a", plan: str = "free", **fields: Any) -> Wire:
        return self.add("account-opened", account_id, plan=plan, **fields)

    def tick(self, at_ms: int | None = None) -> Wire:
        if at_ms is not None:
            self.now_ms = max(self.now_ms, at_ms)
        return self.add("clock-ticked", "*", at_ms=at_ms)

    def switch(self, *features: str, account_id: str = "a", enabled: bool = True) -> None:
        for feature in features:
            self.add("feature-set", account_id, feature=feature, enabled=enabled)

    def grant(self, amount: int, account_id: str = "a") -> Wire:
        grant_id = f"g{len(self.wires)}"
        return self.add(
            "credits-granted", account_id, grant_id=grant_id, amount_micros=amount, reason="goodwill", actor="support"
        )

    def card(self, payment_method_id: str = "pm1", account_id: str = "a", **fields: Any) -> Wire:
        card: Wire = {
            "token": f"tok_{payment_method_id}",
            "brand": "visa",
            "last4": "4242",
            "exp_month": 4,
            "exp_year": 2031,
        }
        return self.add("payment-method-added", account_id, payment_method_id=payment_method_id, **(card | fields))

    def start(
        self, call_id: str, account_id: str = "a", at_ms: int | None = None, direction: str = "inbound", **fields: Any
    ) -> Wire:
        return self.add("call-started", account_id, at_ms=at_ms, call_id=call_id, direction=direction, **fields)

    def end(
        self,
        call_id: str,
        account_id: str = "a",
        *,
        started_ms: int | None = None,
        lasted_ms: int = 60_000,
        rang_ms: int = 5_000,
        answered: bool = True,
        **fields: Any,
    ) -> Wire:
        """An end `rang_ms` + `lasted_ms` after the start; completed, or not answered, unless `fields` say otherwise."""
        started = self.now_ms if started_ms is None else started_ms
        said = {
            "direction": "inbound",
            "started_at": wire_time(started),
            "answered_at": wire_time(started + rang_ms) if answered else None,
            "outcome": "completed" if answered else "no_answer",
        }
        return self.add(
            "call-ended", account_id, at_ms=started + rang_ms + lasted_ms, call_id=call_id, **(said | fields)
        )

    def calls(self, number: int, account_id: str = "a", **fields: Any) -> None:
        """Whole calls one after the other, each a second later than the last."""
        for _ in range(number):
            call_id = f"c{len(self.wires)}"
            self.start(call_id, account_id)
            self.end(call_id, account_id, **fields)
            self.now_ms += 1_000
