"""Overage in the naive model: what the wallet cannot pay is put on the card and asked for in sums."""

from tests.model.naive_account import NaiveAccount, NaiveCall, NaivePayment
from tests.model.naive_billing import CardEntry
from tests.model.naive_plans import NaiveMinutes
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, request_payment


def pay_overage(world: World, account: NaiveAccount, call: NaiveCall, amount: int) -> int:
    """The wallet pays as far as money is available, the card the rest, which is returned. Rule M5."""
    card = amount - min(amount, max(0, account.available))
    account.billing.card_entries.append(CardEntry(account.period_of(call.started_ms), card))
    if amount:
        world.reached.add("overage on the card" if card == amount else "overage on both" if card else "wallet overage")
    return card


def give_back(world: World, account: NaiveAccount, call: NaiveCall, amount: int) -> int:
    """What of a credit back goes to the card: as far as this call is on it, and overage is not asked for. Rule P3."""
    card = min(amount, call.on_card, account.billing.card_due)
    account.billing.card_entries.append(CardEntry(account.period_of(call.started_ms), -card))
    if card:
        world.reached.add("overage given back to the card")
    if card < amount:
        world.reached.add("overage given back to the wallet")
    return card


def ask_at_threshold(world: World, account: NaiveAccount, wire: Wire, call: NaiveCall, due_before: int) -> None:
    """Overage on the card is asked for when it reaches the threshold. Rules M5, P14."""
    due = account.billing.card_due
    plan = account.plan if isinstance(account.plan, NaiveMinutes) else call.plan
    if isinstance(plan, NaiveMinutes) and due > due_before and due >= plan.card_threshold_micros:
        world.reached.add("overage threshold reached")
        ask_for_overage(world, account, wire)


def ask_for_overage(world: World, account: NaiveAccount, wire: Wire) -> None:
    """All that is due at once; without a card it waits for one."""
    billing = account.billing
    card = account.card(account.default_card)
    if billing.card_due == 0:
        return
    if card is None:
        world.reached.add("overage waits for a card")
        billing.is_overage_wanted = True
        return
    request_payment(world, account, wire, "overage", amount=billing.card_due, about="", card=card)
    billing.is_overage_wanted = False
    billing.card_asked += billing.card_due


def answer_overage(account: NaiveAccount, payment: NaivePayment) -> None:
    """Rule P14: a declined one is due again."""
    if payment.answer == "succeeded":
        account.billing.card_paid += payment.amount
    else:
        account.billing.card_asked -= payment.amount
