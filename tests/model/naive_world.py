"""What the parts of the naive model share: the plan, the clock, and what the input at hand has led to so far."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_billing import Entry, NaiveFee, NaiveInvoice, NaivePayment, Purpose
from tests.model.naive_plans import AnyPlan
from tests.model.naive_time import instant
from tests.model.naive_wire import Wire

Fact = dict[str, Any]


class Refused(Exception):  # noqa: N818  # a refusal is an outcome of the product, not an error
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Repeated(Exception):  # noqa: N818  # likewise
    pass


def check_whole(account: NaiveAccount, *amounts: int) -> None:
    """No amount that an input gives is a fraction of the account's minor unit. Rule K4."""
    if any(amount % account.money.minor for amount in amounts):
        raise Refused("amount_not_payable")


def check_payable(account: NaiveAccount, amount: int) -> None:
    if not account.money.is_payable(amount):
        raise Refused("amount_not_payable")


@dataclass
class World:
    """`facts` of the input at hand; `reached` names every situation that the history has come through."""

    plans: dict[str, AnyPlan]
    clock: int | None = None
    time: Literal["broker", "ticks"] = "broker"
    invoice_number_format: str = "{account}-{number:04}"
    facts: list[Fact] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)

    def fact(self, account_id: str, cause: Wire, **fields: Any) -> None:
        self.facts.append({"account_id": account_id, "caused_by": cause["id"], **fields})


def payment_name(account_id: str, cause: str, purpose: str = "purchase", number: int = 1) -> str:
    """The n-th payment of a purpose that an input led to. Named by it, so that leaving others out changes no name."""
    return f"{purpose}-{number}-by-{cause}-of-{account_id}"


def refill_name(account_id: str, cause: str) -> str:
    return f"the-refill-by-{cause}-of-{account_id}"


def post(
    world: World, account: NaiveAccount, wire: Wire, kind: str, amount: int, *, reference: str | None = None
) -> None:
    """One entry for a movement that is already in the list. No entry for amount 0 (P18).

    `reference` is None for what a call cost: invoices know that from the calls.
    """
    if not amount:
        return
    said = {"kind": kind, "amount_micros": amount, "balance_after_micros": account.balance}
    if reference is not None:
        said["reference"] = reference
        period = account.period_of(instant(wire["occurred_at"]))
        account.billing.entries.append(Entry(kind, amount, period))
    world.fact(account.account_id, wire, type="ledger-entry-posted", **said)


def instant_of(world: World, wire: Wire) -> int:
    """When an input counts as having happened: the later of its own time and the clock. Rule G2."""
    return max(instant(wire["occurred_at"]), world.clock or 0)


def now_period(world: World, account: NaiveAccount, wire: Wire) -> int:
    return account.period_of(instant_of(world, wire))


def passes_limit(world: World, account: NaiveAccount, wire: Wire, amount: int) -> bool:
    """A limit of 0 is none. Rule P8."""
    limit = int(account.auto_refill.get("monthly_limit_micros", 0))
    return limit > 0 and account.refilled_in(now_period(world, account, wire)) + amount > limit


def request_payment(
    world: World,
    account: NaiveAccount,
    wire: Wire,
    purpose: Purpose,
    *,
    amount: int,
    card: Wire,
    about: str = "",
    fee: NaiveFee | None = None,
    invoice: NaiveInvoice | None = None,
    refund_of: NaivePayment | None = None,
) -> NaivePayment:
    """A payment, in the lists of all that it is for, and its facts."""
    number = sum(p.cause == wire["id"] and p.purpose == purpose for p in account.payments) + 1
    name = payment_name(account.account_id, wire["id"], purpose, number)
    now_ms = instant_of(world, wire)
    period = account.period_of(now_ms)
    payment = NaivePayment(name, wire["id"], purpose, amount, about, now_ms, period, card, fee, invoice, refund_of)
    account.payments.append(payment)
    if fee is not None:
        fee.payments.append(payment)
    if invoice is not None:
        invoice.payments.append(payment)
    if purpose == "overage":
        account.billing.overage_payments.append(payment)
    said = {"payment_id": name, "amount_micros": amount, "payment_method_id": card["payment_method_id"]}
    said |= {"currency": account.currency}
    if purpose == "refill":
        world.fact(account.account_id, wire, type="refill-requested", refill_id=about, **said)
    if refund_of is not None:
        said["refund_of"] = refund_of.name
    world.fact(account.account_id, wire, type="payment-requested", purpose=purpose, token=card["token"], **said)
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
        **{name: wire.get(name) for name in ("direction", "from", "to")},
    )
