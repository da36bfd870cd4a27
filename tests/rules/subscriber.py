"""A subscriber's history: the steps of a minutes plan beside those of every account, and how its answers are read.

Minutes plans have prices of their own here only where a row says so; the shipped `professional` is $49 a month with 100
minutes, inbound and outbound $0.11 a minute, web $0.08.
"""

from typing import Any, Self

import msgspec

from schemas.plan import Catalogue, MinutesPlan
from tests.rules.story import SHIPPED, SIGNUP, Event, Story, later, usd

# A month of 30 days: half of it is 15 days, a twentieth a day and a half.
APRIL = "2026-04-01T00:00:00Z"
FEBRUARY = "2026-02-01T00:00:00Z"
MARCH = "2026-03-01T00:00:00Z"
MINUTE_MS = 60_000
DAY_MS = 86_400_000


def minutes_plans(version: int = 1, **changed: dict[str, Any]) -> Catalogue:
    """The shipped catalogue with some of its minutes plans changed, or further ones:
    `minutes_plans(dental={"included_minutes": 5})`."""
    plans = dict(SHIPPED.plans)
    for name, changes in changed.items():
        base = plans.get(name, MinutesPlan())
        assert isinstance(base, MinutesPlan)
        plans[name] = msgspec.structs.replace(base, **changes)
    return msgspec.structs.replace(SHIPPED, version=version, plans=plans)


class Subscriber(Story):
    """One account on a minutes plan, in log order. Money in dollars, durations of calls in milliseconds."""

    def subscribes(self, plan: str = "professional", **fields: Any) -> Self:
        return self.opens(plan, **fields)

    def has_paid(self) -> Self:
        """The first card comes and its fee is paid, where there is one."""
        self.adds_card()
        return self.pays() if self.answer("payment-requested") else self

    def talks(self, call_id: str, ms: int, direction: str = "inbound", **fields: Any) -> Self:
        """A call that starts now and ends so many milliseconds later; the clock, once seen, goes along with it."""
        self.starts(call_id, direction=direction)
        started = self.now
        if any(event["type"] == "clock-ticked" for event in self.inputs):
            self.ticks(milliseconds=ms)
        else:
            self.waits(milliseconds=ms)
        return self.ends(call_id, started=started, at=later(started, milliseconds=ms), direction=direction, **fields)

    def uses(self, minutes: int, call_id: str = "", **fields: Any) -> Self:
        """One call of so many whole minutes."""
        return self.talks(call_id or f"call{len(self.inputs)}", minutes * MINUTE_MS, **fields)

    def ends_after(self, call_id: str, ms: int, **fields: Any) -> Self:
        """Another word on when a call ended that was seen to start: its end, or a contradicting one."""
        return self.ends(call_id, at=later(self._started[call_id], milliseconds=ms), **fields)

    def reclassifies(self, call_id: str, *, real: bool, **fields: Any) -> Self:
        """A second after whatever was said before, so that the newest word stands (rule P5)."""
        return self.waits(seconds=1).says("call-reclassified", call_id=call_id, real=real, **fields)

    def changes_plan(self, plan: str, **fields: Any) -> Self:
        return self.says("plan-change-requested", plan=plan, **fields)

    def cancels(self, **fields: Any) -> Self:
        return self.says("subscription-cancel-requested", **fields)

    def resumes(self, **fields: Any) -> Self:
        return self.says("subscription-resume-requested", **fields)

    def adds_number(self, number: str = "+15550100", fee: str | int = 2, **fields: Any) -> Self:
        return self.says("phone-number-added", number=number, monthly_fee_micros=usd(fee), **fields)

    def removes_number(self, number: str = "+15550100", **fields: Any) -> Self:
        return self.says("phone-number-removed", number=number, **fields)

    def is_taxed(self, rate_ppm: int, **fields: Any) -> Self:
        return self.says("tax-rate-set", rate_ppm=rate_ppm, **fields)

    def removes_card(self, payment_method_id: str = "pm1") -> Self:
        return self.says("payment-method-removed", payment_method_id=payment_method_id)

    def defaults_card(self, payment_method_id: str) -> Self:
        return self.says("payment-method-defaulted", payment_method_id=payment_method_id)

    def newest(self, purpose: str) -> str:
        """The id of the newest payment asked for with that purpose."""
        return str([f for f in self.facts("payment-requested") if f["purpose"] == purpose][-1]["payment_id"])

    def settles(self, purpose: str, **fields: Any) -> Self:
        return self.pays(payment_id=self.newest(purpose), **fields)

    def refuses(self, purpose: str, **fields: Any) -> Self:
        return self.declines(payment_id=self.newest(purpose), **fields)

    def settles_all(self) -> Self:
        """Every payment that has no answer yet is taken, in order."""
        answered = {event.get("payment_id") for event in self.inputs}
        for fact in self.facts("payment-requested"):
            if fact["payment_id"] not in answered:
                self.pays(payment_id=fact["payment_id"])
        return self

    def asks(self) -> list[tuple[str, int]]:
        """(purpose, micros) of what the newest input asked of cards, in order."""
        return asked(self.answer())

    def charge(self) -> Event:
        """The charge or adjustment that the newest input gave; there is exactly one."""
        given = self.answer("call-charged", "charge-adjusted")
        assert len(given) == 1, given
        return given[0]

    def usage(self) -> Event:
        return dict(self.snapshot()["usage"])

    def subscription(self) -> Event:
        return dict(self.snapshot()["subscription"])

    def card_due(self) -> int:
        return int(self.snapshot()["card_due_micros"])

    def invoices(self) -> list[Event]:
        return self.facts("invoice-issued")


def subscriber(
    credit: str | int = 0, plan: str = "professional", catalogue: Catalogue = SHIPPED, **fields: Any
) -> Subscriber:
    """An account on a minutes plan with that much granted and no card."""
    story = Subscriber(catalogue=catalogue, signup=fields.pop("signup", SIGNUP)).subscribes(plan, **fields)
    return story.is_granted(credit) if usd(credit) else story


def paying(
    credit: str | int = 0, plan: str = "professional", catalogue: Catalogue = SHIPPED, **fields: Any
) -> Subscriber:
    """The same with a card, the first fee paid."""
    return subscriber(credit, plan, catalogue, **fields).has_paid()


def asked(facts: list[Event]) -> list[tuple[str, int]]:
    return [(fact["purpose"], fact["amount_micros"]) for fact in facts if fact["type"] == "payment-requested"]


def rated(charge: Event) -> dict[str, tuple[float, int]]:
    """kind -> (minutes, micros) of the lines of a charge that say something."""
    lines = [line for line in charge["lines"] if line["quantity"]]
    assert len({line["kind"] for line in lines}) == len(lines), lines
    return {line["kind"]: (line["quantity"], line["amount_micros"]) for line in lines}


def billed(invoice: Event) -> list[tuple[str, int]]:
    """(kind, micros) of an invoice's lines that are not 0, in order; overage with its direction."""
    return [
        (f"{line['kind']} {line['direction']}" if "direction" in line else line["kind"], line["amount_micros"])
        for line in invoice["lines"]
        if line["amount_micros"]
    ]


def numbers(paid: list[Event]) -> list[int]:
    """The numbers of the invoices that these `invoice-paid` facts name, in order."""
    return [int(fact["invoice_id"].rpartition("/")[2]) for fact in paid]


def dollars(*lines: tuple[str, str | int]) -> list[tuple[str, int]]:
    """Rows of (what, dollars) in micros, to compare with what was asked or billed."""
    return [(what, usd(amount)) for what, amount in lines]
