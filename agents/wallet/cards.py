"""Payment methods: one default, only tokens stored. Rules M9 and P15."""

from msgspec.structs import replace

from agents.wallet.bills import collect
from agents.wallet.payment import find_card
from agents.wallet.purchase import no_card
from agents.wallet.refill import rearm
from agents.wallet.subscription import is_active
from agents.wallet.turn import Refusal, Turn
from schemas.account import Card
from schemas.inputs import PaymentMethodAdded, PaymentMethodDefaulted, PaymentMethodRemoved

# An owner has a handful: without a bound a sender gone wrong could make the account's row grow for ever.
CARDS_MAX = 32


def add_card(turn: Turn, event: PaymentMethodAdded) -> bool | Refusal:
    """Add a card, or renew the one of the same id. The first is the default. Rule P15."""
    card = Card(
        event.payment_method_id, event.token, event.brand, event.last4, int(event.exp_month), int(event.exp_year)
    )
    cards = turn.account.cards
    known = find_card(turn.account, event.payment_method_id)
    if known is not None:
        turn.account = replace(turn.account, cards=tuple(card if c is known else c for c in cards))
        if known != card and turn.account.default_card == card.payment_method_id:
            rearm(turn)
            collect(turn)
        return True
    if len(cards) >= CARDS_MAX:
        return Refusal("schema_invalid", f"the account has {CARDS_MAX} payment methods: remove one first")
    turn.account = replace(turn.account, cards=(*cards, card))
    if not cards:
        _make_default(turn, card.payment_method_id)
    return True


def remove_card(turn: Turn, event: PaymentMethodRemoved) -> bool | Refusal:
    """Remove a card; the oldest remaining one becomes the default if it was. The only one stays while a subscription
    runs. Rules M9 and P15.
    """
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    cards = tuple(c for c in turn.account.cards if c is not card)
    if not cards and is_active(turn.account.subscription, turn.at_ms):
        return Refusal("last_payment_method", "the only card stays while the subscription runs: add another one first")
    turn.account = replace(turn.account, cards=cards)
    if turn.account.default_card == event.payment_method_id:
        _make_default(turn, cards[0].payment_method_id if cards else None)
    return True


def default_card(turn: Turn, event: PaymentMethodDefaulted) -> bool | Refusal:
    if find_card(turn.account, event.payment_method_id) is None:
        return no_card(event.payment_method_id)
    _make_default(turn, event.payment_method_id)
    return True


def _make_default(turn: Turn, payment_method_id: str | None) -> None:
    """Make a card the default. Another one than before lets a paused auto-refill try again, and pays
    what waits. Rules C14 and P11.
    """
    if turn.account.default_card == payment_method_id:
        return
    turn.account = replace(turn.account, default_card=payment_method_id)
    if payment_method_id is not None:
        rearm(turn)
        collect(turn)
