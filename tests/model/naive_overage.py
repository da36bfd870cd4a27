"""Overage in the naive model: what the wallet cannot pay is put on the card and asked for in sums. M5, M6, P14, B10."""

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_plans import NaiveMinutes
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, request_payment

DECLINES_RETRIED = 3


def pay_overage(world: World, account: NaiveAccount, call: NaiveCall, amount: int) -> int:
    """The wallet pays as far as money is available, in whole minor units; the card the rest, which is returned. B10."""
    available = max(0, account.available)
    wallet = amount if amount <= available else account.money.whole(available)
    card = amount - wallet
    if amount:
        world.reached.add("overage on the card" if not wallet else "overage on both" if card else "wallet overage")
    return card


def give_back(world: World, account: NaiveAccount, call: NaiveCall, amount: int) -> int:
    """What of a credit back goes to the card: as far as this call is on it, and overage is not asked for. Rule P3."""
    card = min(amount, call.on_card, account.billing.card_due)
    if card:
        world.reached.add("overage given back to the card")
    if card < amount:
        world.reached.add("overage given back to the wallet")
    return card


def ask_at_threshold(world: World, account: NaiveAccount, wire: Wire, call: NaiveCall, due_before: int) -> None:
    """Overage on the card is asked for when it reaches the threshold, once no declined request goes on. M5, M6."""
    due = account.billing.card_due
    plan = account.plan if isinstance(account.plan, NaiveMinutes) else call.plan
    if not isinstance(plan, NaiveMinutes) or due <= due_before or due < plan.card_threshold_micros:
        return
    retries = account.billing.overage
    if retries.due_ms is not None or retries.declines > DECLINES_RETRIED:
        world.reached.add("overage waits for its retry")
    elif account.money.payable_part(due):
        world.reached.add("overage threshold reached")
        ask_for_overage(world, account, wire)


def ask_for_overage(world: World, account: NaiveAccount, wire: Wire) -> None:
    """All that is due and payable, at once; without a card it waits for one. Rules B10, G13, R7."""
    billing = account.billing
    amount = account.money.payable_part(billing.card_due)
    card = account.usable_card(account.default_card)
    if not amount:
        return
    if card is None:
        world.reached.add("overage waits for a card")
        return
    if amount < billing.card_due:
        world.reached.add("overage asked for in part")
    request_payment(world, account, wire, "overage", amount=amount, card=card)


def retry_overage(world: World, account: NaiveAccount, wire: Wire) -> None:
    world.reached.add("overage retried")
    account.billing.overage.due_ms = None
    ask_for_overage(world, account, wire)


def drop_overage_wait(account: NaiveAccount) -> None:
    """A wait goes on as long as anything is due. Rule M6."""
    if account.billing.card_due == 0:
        account.billing.overage.due_ms = None


def ask_overage_of_new_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    """What was declined, or has reached the threshold without a card. The count begins anew. Rule M6."""
    billing, plan = account.billing, account.plan
    is_reached = isinstance(plan, NaiveMinutes) and billing.card_due >= plan.card_threshold_micros
    is_asked_for = is_reached or billing.overage.declines or billing.overage.due_ms is not None
    billing.overage.declines = 0
    if is_asked_for and account.money.payable_part(billing.card_due):
        world.reached.add("overage asked of a new card")
        billing.overage.due_ms = None
        ask_for_overage(world, account, wire)
