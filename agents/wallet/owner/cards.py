"""Payment methods: one default, and only tokens are stored. Rules M9 and P15."""

from msgspec.structs import replace

from agents.wallet.billing.answers import request_waiting_bills
from agents.wallet.billing.subscription import is_running
from agents.wallet.funds.block import unblock_card
from agents.wallet.funds.payment import find_card, no_card, usable_card
from agents.wallet.funds.refill import rearm
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Card
from schemas.inputs import PaymentMethodAdded, PaymentMethodDefaulted, PaymentMethodRemoved

# An owner has a handful. Without a bound a faulty sender could make the account's row grow for ever.
CARDS_MAX = 32


def add_card(turn: Turn, event: PaymentMethodAdded) -> Effect | Refusal:
    """Add a card, or replace the card with the same id, which a dispute then no longer blocks. The first card is the
    default; a default card that is added again re-arms a paused auto-refill. Rules P15 and R7.
    """
    card = Card(
        event.payment_method_id, event.token, event.brand, event.last4, int(event.exp_month), int(event.exp_year)
    )
    cards = turn.account.cards
    known = find_card(turn.account, event.payment_method_id)
    if known is not None:
        turn.account = replace(turn.account, cards=tuple(card if c is known else c for c in cards))
        if turn.account.default_card == card.payment_method_id:
            rearm(turn)
            # Another card, or the same one without its disputes: it pays what waits for a card.
            if known != card:
                request_waiting_bills(turn)
        return Effect.APPLIED
    if len(cards) >= CARDS_MAX:
        return Refusal("schema_invalid", f"the account has {CARDS_MAX} payment methods: remove one first")
    turn.account = replace(turn.account, cards=(*cards, card))
    if not cards:
        _make_default(turn, card.payment_method_id)
    return Effect.APPLIED


def remove_card(turn: Turn, event: PaymentMethodRemoved) -> Effect | Refusal:
    """Remove a card. If it was the default, the oldest remaining card becomes the default. The only card cannot be
    removed while a subscription runs. Rules M9 and P15.
    """
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    cards = tuple(c for c in turn.account.cards if c is not card)
    if not cards and is_running(turn.account.subscription):
        return Refusal(
            "last_payment_method", "the only card cannot be removed while the subscription runs: add another one first"
        )
    turn.account = replace(turn.account, cards=cards)
    if turn.account.default_card == event.payment_method_id:
        _make_default(turn, cards[0].payment_method_id if cards else None)
    return Effect.APPLIED


def default_card(turn: Turn, event: PaymentMethodDefaulted) -> Effect | Refusal:
    """Make a card the default, also one that is: a dispute then no longer blocks it, and a paused auto-refill is armed
    again. Rules P15 and R7.
    """
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    unblock_card(turn, card)
    rearm(turn)
    _make_default(turn, event.payment_method_id)
    return Effect.APPLIED


def _make_default(turn: Turn, payment_method_id: str | None) -> None:
    """A new default card re-arms a paused auto-refill and pays what waits for a card; a blocked one, which became the
    default because another was removed, does neither. Rules C14, P11 and R7.
    """
    if turn.account.default_card == payment_method_id:
        return
    turn.account = replace(turn.account, default_card=payment_method_id)
    if usable_card(turn.account) is not None:
        rearm(turn)
        request_waiting_bills(turn)
