"""Cards in the naive model: which one is the default, and which one a dispute keeps from being used. P15, R7, C14."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_bills import ask_new_card
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, World

FIELDS = ("token", "brand", "last4", "exp_month", "exp_year")


def add_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Added again, it takes the place of the one of that id. A card of that id is never blocked after it."""
    name = wire["payment_method_id"]
    known = account.card(name)
    was_blocked = name in account.blocked_cards
    account.blocked_cards.pop(name, None)
    if known is None:
        account.cards.append(wire)
        if account.default_card is None:
            world.reached.add("first card")
            make_default(world, account, wire, name)
        return
    account.cards[account.cards.index(known)] = wire
    world.reached.add("card added again")
    if name == account.default_card:
        arm(world, account)
        if was_blocked or any(known[field] != wire[field] for field in FIELDS):
            ask_new_card(world, account, wire)


def remove_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    """The oldest one that remains is the default then; where it is blocked it stays so. Rules M9, P15."""
    card = known_card(account, wire)
    if len(account.cards) == 1 and account.billing.is_subscribed:
        raise Refused("last_payment_method")
    account.cards.remove(card)
    account.blocked_cards.pop(card["payment_method_id"], None)
    if account.default_card != card["payment_method_id"]:
        return
    account.default_card = None
    if account.cards:
        oldest = account.cards[0]["payment_method_id"]
        if oldest in account.blocked_cards:
            world.reached.add("the next card is blocked")
            account.default_card = oldest
        else:
            make_default(world, account, wire, oldest)


def default_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Made default again, a blocked one is used again."""
    name = known_card(account, wire)["payment_method_id"]
    if name == account.default_card and name not in account.blocked_cards:
        arm(world, account)
        return
    account.blocked_cards.pop(name, None)
    make_default(world, account, wire, name)


def known_card(account: NaiveAccount, wire: Wire) -> Wire:
    card = account.card(wire["payment_method_id"])
    if card is None:
        raise Refused("unknown_payment_method")
    return card


def make_default(world: World, account: NaiveAccount, wire: Wire, payment_method_id: str) -> None:
    """A new default card is asked for what is open, and arms auto-refill again."""
    account.default_card = payment_method_id
    arm(world, account)
    ask_new_card(world, account, wire)


def arm(world: World, account: NaiveAccount) -> None:
    if account.paused:
        world.reached.add("re-armed by a card")
    account.paused = None


def unblock(world: World, account: NaiveAccount, wire: Wire, payment_method_id: str) -> None:
    """By a purchase or a dispute that was won: the default card then counts as a new one, but arms nothing. Rule R7."""
    if payment_method_id not in account.blocked_cards:
        return
    world.reached.add("card unblocked")
    del account.blocked_cards[payment_method_id]
    if account.default_card == payment_method_id:
        ask_new_card(world, account, wire)
