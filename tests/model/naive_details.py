"""What an account is billed with, in the naive model: numbers, the tax rate, addresses. Rules M11, M13, P7, B9."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaiveNumber
from tests.model.naive_wire import Wire
from tests.model.naive_world import Repeated, World, check_whole, instant_of

DETAILS = ("name", "address", "country", "tax_id")


def held(account: NaiveAccount, name: str) -> NaiveNumber | None:
    return next((n for n in account.billing.numbers if n.number == name and n.removed_ms is None), None)


def add_number(world: World, account: NaiveAccount, wire: Wire) -> None:
    """One that is held takes another fee; one removed in this period is taken back, and paid once. Rules P7, B2."""
    now_ms, fee = instant_of(world, wire), wire["monthly_fee_micros"]
    number = held(account, wire["number"])
    if number is not None and number.fee == fee:
        raise Repeated
    check_whole(account, fee)
    if number is None:
        period = account.period_of(now_ms)
        removed = [n for n in account.billing.numbers if n.number == wire["number"] and n.removed_ms is not None]
        number = next((n for n in removed if account.period_of(n.removed_ms or 0) == period), None)
    if number is None:
        account.billing.numbers.append(NaiveNumber(wire["number"], [(now_ms, fee)], now_ms))
        return
    world.reached.add("number changed" if number.removed_ms is None else "number taken back")
    number.removed_ms = None
    number.fees.append((now_ms, fee))


def remove_number(world: World, account: NaiveAccount, wire: Wire) -> None:
    number = held(account, wire["number"])
    if number is None:
        raise Repeated
    world.reached.add("number removed")
    number.removed_ms = instant_of(world, wire)


def set_tax_rate(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.billing.tax_ppm = wire["rate_ppm"]


def set_billing_email(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Another address is told to the former one, when there was one. Rule A1."""
    before = account.billing.billing_email
    account.billing.billing_email = wire["billing_email"]
    if before is None or before == wire["billing_email"]:
        return
    world.reached.add("billing e-mail changed")
    said = {"billing_email": before, "new_billing_email": wire["billing_email"]}
    world.fact(account.account_id, wire, type="billing-email-changed", **said)


def set_billing_details(world: World, account: NaiveAccount, wire: Wire) -> None:
    """All four are replaced; what is left out, null or empty is cleared. Rule B9."""
    account.billing.details = {name: wire[name] for name in DETAILS if wire.get(name)}
