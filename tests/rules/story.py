"""A history of inputs told step by step, and what the rules answer to it: what every rule table here is written with.

Money is said in dollars as text (`"5.99"`), moments in RFC 3339; both are put into the contract's units here, by code
of the tests' own.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import msgspec

from backoffice.replay import replay_lines, snapshot_lines
from schemas.plan import Catalogue, CreditsPlan, load_catalogue

Event = dict[str, Any]
SIGNUP = "2026-01-01T00:00:00Z"
ALL = ("extra_calls", "live_agent", "appointment_booking")
BOTH = ("live_agent", "appointment_booking")
SHIPPED = load_catalogue()


def usd(amount: str | int) -> int:
    """Dollars as micros."""
    micros = Decimal(amount) * 1_000_000
    assert micros == int(micros), f"{amount} dollars are no whole micros"
    return int(micros)


def later(moment: str, **by: int) -> str:
    """A wire time that much later: `later(SIGNUP, days=35, milliseconds=1)`."""
    shifted = datetime.fromisoformat(moment) + timedelta(**by)
    assert shifted.tzinfo is UTC or shifted.utcoffset() == timedelta(0)
    return shifted.strftime("%Y-%m-%dT%H:%M:%S.") + f"{shifted.microsecond // 1000:03d}Z"


def same_moment(one: str, other: str) -> bool:
    return datetime.fromisoformat(one) == datetime.fromisoformat(other)


def plans(version: int = 1, others: dict[str, Any] | None = None, **changes: Any) -> Catalogue:
    """The shipped catalogue with the `free` plan changed, as an operator would."""
    free = SHIPPED.plans["free"]
    assert isinstance(free, CreditsPlan)
    changed = {**SHIPPED.plans, **(others or {}), "free": msgspec.structs.replace(free, **changes)}
    return msgspec.structs.replace(SHIPPED, version=version, plans=changed)


def also_in(*codes: str, catalogue: Catalogue = SHIPPED) -> Catalogue:
    """The catalogue with every plan priced in these currencies too, at the same numbers."""
    priced = {
        name: msgspec.structs.replace(
            plan, currencies={code: msgspec.structs.replace(plan, currency=code) for code in codes}
        )
        for name, plan in catalogue.plans.items()
    }
    return msgspec.structs.replace(catalogue, plans=priced)


class Story:
    """What happens to one account, in log order. `now` is when the next thing happens; each call takes a second."""

    def __init__(self, account_id: str = "acme", catalogue: Catalogue = SHIPPED, signup: str = SIGNUP) -> None:
        self.account_id = account_id
        self.catalogue = catalogue
        self.now = signup
        self.inputs: list[Event] = []
        self._started: dict[str, str] = {}

    def says(self, kind: str, /, *, at: str | None = None, **fields: Any) -> Self:
        """Any input. Its id is its place in the log unless `id` is given."""
        event = {"type": kind, "id": f"i{len(self.inputs) + 1}", "account_id": self.account_id}
        self.inputs.append({**event, "occurred_at": at or self.now, **fields})
        return self

    def waits(self, until: str | None = None, **by: int) -> Self:
        self.now = until or later(self.now, **by)
        return self

    def ticks(self, at: str | None = None, **by: int) -> Self:
        """The clock reaches `at`, or is that much later than `now`; `now` moves with it."""
        self.now = at or later(self.now, **by)
        return self.says("clock-ticked", account_id="*")

    def opens(self, plan: str = "free", **fields: Any) -> Self:
        return self.says("account-opened", plan=plan, **fields)

    def switches(self, *features: str, on: bool = True) -> Self:
        for feature in features:
            self.says("feature-set", feature=feature, enabled=on)
        return self

    def is_granted(self, amount: str | int, grant_id: str = "", **fields: Any) -> Self:
        grant_id = grant_id or f"g{len(self.inputs)}"
        given = {"grant_id": grant_id, "amount_micros": usd(amount), "reason": "goodwill", "actor": "ann"}
        return self.says("credits-granted", **{**given, **fields})

    def starts(self, call_id: str, **fields: Any) -> Self:
        self._started[call_id] = fields.get("at", self.now)
        return self.says("call-started", **{"call_id": call_id, "direction": "inbound", **fields})

    def ends(self, call_id: str, *, seconds: int = 60, answered: bool = True, used: Any = None, **fields: Any) -> Self:
        """The call's end, `seconds` after its start (now, if that was never seen) and answered at once."""
        started = fields.pop("started", self._started.get(call_id, self.now))
        said = {
            "call_id": call_id,
            "direction": "inbound",
            "started_at": started,
            "at": later(started, seconds=seconds),
        }
        said |= {"answered_at": started if answered else None, "outcome": "completed" if answered else "no_answer"}
        if used is not None:
            said["features"] = list(used)
        return self.says("call-ended", **{**said, **fields})

    def call(self, call_id: str, **fields: Any) -> Self:
        """A call that starts now and ends, whole; a second later the next thing happens."""
        return self.starts(call_id).ends(call_id, **fields).waits(seconds=1)

    def calls(self, number: int, prefix: str = "early-", **fields: Any) -> Self:
        """That many calls, one after the other, named in the order of their starts."""
        for n in range(1, number + 1):
            self.call(f"{prefix}{n:02d}", **fields)
        return self

    def reclassifies(self, call_id: str, *, real: bool, **fields: Any) -> Self:
        return self.says("call-reclassified", call_id=call_id, real=real, **fields)

    def adds_card(self, payment_method_id: str = "pm1", **fields: Any) -> Self:
        card = {"token": f"tok_{payment_method_id}", "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}
        return self.says("payment-method-added", payment_method_id=payment_method_id, **{**card, **fields})

    def refills(self, amount: str | int | None = None, *, enabled: bool = True, **fields: Any) -> Self:
        given: Event = {} if amount is None else {"amount_micros": usd(amount)}
        return self.says("auto-refill-set", enabled=enabled, **given, **fields)

    def buys(self, purchase_id: str, amount: str | int, **fields: Any) -> Self:
        return self.says("credits-purchase-requested", purchase_id=purchase_id, amount_micros=usd(amount), **fields)

    def pays(self, **fields: Any) -> Self:
        """The provider takes the newest payment that was asked for."""
        payment_id = fields.pop("payment_id", None) or self.payment_id()
        return self.says("payment-succeeded", payment_id=payment_id, **fields)

    def declines(self, *, retryable: bool = False, **fields: Any) -> Self:
        said = {"payment_id": fields.pop("payment_id", None) or self.payment_id(), "reason": "card_declined"}
        return self.says("payment-declined", retryable=retryable, **{**said, **fields})

    # What the rules answer.

    def lines(self) -> list[bytes]:
        return [json.dumps(event).encode() for event in self.inputs]

    def facts(self, *kinds: str) -> list[Event]:
        """All facts in order, or those of some types."""
        facts = replay_lines(self.lines(), self.catalogue)
        return [fact for fact in facts if not kinds or fact["type"] in kinds]

    def answer(self, *kinds: str) -> list[Event]:
        """The facts that the newest input gave, after those that all others had given."""
        before = sum(1 for _ in replay_lines(self.lines()[:-1], self.catalogue))
        return [fact for fact in self.facts()[before:] if not kinds or fact["type"] in kinds]

    def answer_types(self) -> list[str]:
        return [fact["type"] for fact in self.answer()]

    def refusal(self) -> str | None:
        """The dead-letter code of the newest input, None when it was taken."""
        return next((fact["code"] for fact in self.answer("dead-letter")), None)

    def payment_id(self) -> str:
        return str(self.facts("payment-requested")[-1]["payment_id"])

    def snapshot(self) -> Event:
        return next(s for s in snapshot_lines(self.lines(), self.catalogue) if s["account_id"] == self.account_id)

    def balance(self) -> int:
        return int(self.snapshot()["balance_micros"])

    def costs(self) -> dict[str, int]:
        """What each call costs in the end: its charge and all its adjustments, micros."""
        total: dict[str, int] = {}
        for fact in self.facts("call-charged", "charge-adjusted"):
            total[fact["call_id"]] = total.get(fact["call_id"], 0) + fact["amount_micros"]
        return total


def opened(*features: str, credit: str | int = 0, catalogue: Catalogue = SHIPPED, **fields: Any) -> Story:
    """An account on the credits plan with these switches on and that much granted."""
    story = Story(catalogue=catalogue).opens(**fields).switches(*features)
    return story.is_granted(credit) if usd(credit) else story


def only(facts: list[Event]) -> Event:
    assert len(facts) == 1, facts
    return facts[0]


def kinds_and_amounts(lines: list[Event]) -> list[tuple[str, int]]:
    return [(line["kind"], line["amount_micros"]) for line in lines]


def charges(facts: list[Event]) -> Iterator[tuple[str, str, int]]:
    """(type, call, micros) of the charges and adjustments among `facts`, in order."""
    for fact in facts:
        if fact["type"] in {"call-charged", "charge-adjusted"}:
            yield fact["type"], fact["call_id"], fact["amount_micros"]
