"""What the parts of the naive model share: the plan, the clock, and what the input at hand has led to so far."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.model.naive_account import NaiveAccount, NaiveCall, NaivePayment
from tests.model.naive_billing import NaiveBill
from tests.model.naive_plans import AnyPlan
from tests.model.naive_time import instant
from tests.model.naive_wire import Wire

Fact = dict[str, Any]
Purpose = Literal["purchase", "refill", "refund", "overage", "subscription", "invoice"]


class Refused(Exception):  # noqa: N818  # a refusal is an outcome of the product, not an error
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Repeated(Exception):  # noqa: N818  # likewise
    pass


@dataclass
class World:
    """`facts` of the input at hand; `reached` names every situation that the history has come through."""

    plans: dict[str, AnyPlan]
    clock: int | None = None
    time: Literal["broker", "ticks"] = "broker"
    facts: list[Fact] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)

    def fact(self, account_id: str, cause: Wire, **fields: Any) -> None:
        self.facts.append({"account_id": account_id, "caused_by": cause["id"], **fields})


def payment_name(account_id: str, cause: str, number: int = 1, kind: str = "payment") -> str:
    """The n-th payment that an input led to. Named by it, so that leaving other inputs out changes no name."""
    return f"{kind}-{number}-by-{cause}-of-{account_id}"


def refill_name(account_id: str, cause: str) -> str:
    return f"refill-by-{cause}-of-{account_id}"


def post(world: World, account: NaiveAccount, wire: Wire, kind: str, amount: int) -> None:
    """One entry for a movement that is already in the list. No entry for amount 0 (P18)."""
    if amount:
        world.fact(
            account.account_id,
            wire,
            type="ledger-entry-posted",
            kind=kind,
            amount_micros=amount,
            balance_after_micros=account.balance,
        )


def instant_of(world: World, wire: Wire) -> int:
    """When an input counts as having happened: the later of its own time and the clock. Rule G2."""
    return max(instant(wire["occurred_at"]), world.clock or 0)


def now_period(world: World, account: NaiveAccount, wire: Wire) -> int:
    return account.period_of(instant_of(world, wire))


def passes_limit(world: World, account: NaiveAccount, wire: Wire, amount: int) -> bool:
    limit = account.auto_refill.get("monthly_limit_micros")
    period = now_period(world, account, wire)
    return limit is not None and account.refilled_in(period) + amount > limit


def request_payment(
    world: World,
    account: NaiveAccount,
    wire: Wire,
    purpose: Purpose,
    *,
    amount: int,
    about: str,
    card: Wire,
    bill: NaiveBill | None = None,
) -> NaivePayment:
    kind = "refill" if purpose == "refill" else "payment"
    by_it = [p for p in account.payments if p.cause == wire["id"] and p.name.startswith(kind)]
    name = payment_name(account.account_id, wire["id"], len(by_it) + 1, kind)
    now_ms = instant_of(world, wire)
    payment = NaivePayment(name, wire["id"], purpose, amount, about, now_ms, account.period_of(now_ms), card, bill=bill)
    account.payments.append(payment)
    if purpose == "refill":
        world.fact(
            account.account_id,
            wire,
            type="refill-requested",
            refill_id=about,
            payment_id=name,
            amount_micros=amount,
            payment_method_id=card["payment_method_id"],
        )
    world.fact(
        account.account_id,
        wire,
        type="payment-requested",
        payment_id=name,
        purpose=purpose,
        amount_micros=amount,
        currency=account.currency,
        payment_method_id=card["payment_method_id"],
        token=card["token"],
    )
    return payment


def redirect(world: World, account: NaiveAccount, call: NaiveCall, wire: Wire, reason: str) -> None:
    call.redirected = True
    world.reached.add(f"redirected {reason}")
    world.fact(
        account.account_id,
        wire,
        type="call-redirected",
        call_id=call.call_id,
        reason=reason,
        redirect_to=account.redirect_to,
    )
