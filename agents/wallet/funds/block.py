"""Cards that a dispute has blocked. Rule R7."""

from msgspec.structs import replace

from agents.wallet.billing.answers import request_waiting_bills
from agents.wallet.turn import Turn
from schemas.account import Card, Dispute
from schemas.payment_rows import Payment

# Disputed payments that a card remembers one by one. The account's row must fit a record whatever happens.
DISPUTES_MAX = 16
_OTHERS = ""  # What is disputed of further payments, as one sum.


def count_dispute(turn: Turn, payment_id: str, payment: Payment, micros: int) -> None:
    """Block the card of a disputed payment. A negative amount is won: once every dispute is, the card is free again,
    and a default card then counts as a new one. Another card under the same id is another card. Rule R7.
    """
    card = next((card for card in turn.account.cards if _has_paid(card, payment)), None)
    if card is None or (micros < 0 and not card.disputes):
        return
    disputes = _counted(card.disputes, payment_id, micros)
    _put(turn, card, replace(card, disputes=disputes))
    if card.disputes and not disputes:
        _request_if_default(turn, card)


def unblock_card(turn: Turn, card: Card) -> Card:
    """The owner uses a blocked card again, which frees it. Rule R7."""
    if not card.disputes:
        return card
    freed = replace(card, disputes=())
    _put(turn, card, freed)
    _request_if_default(turn, card)
    return freed


def _has_paid(card: Card, payment: Payment) -> bool:
    """Payments of earlier versions do not name their token."""
    return card.payment_method_id == payment.payment_method_id and payment.token in (card.token, "")


def _counted(disputes: tuple[Dispute, ...], payment_id: str, micros: int) -> tuple[Dispute, ...]:
    open_micros = {dispute.payment_id: dispute.open_micros for dispute in disputes}
    name = payment_id if payment_id in open_micros or len(open_micros) < DISPUTES_MAX else _OTHERS
    if name not in open_micros and micros < 0:
        name = _OTHERS  # Its dispute, if there was one, is among the others.
    open_micros[name] = open_micros.get(name, 0) + micros
    return tuple(Dispute(name, left) for name, left in open_micros.items() if left > 0)


def _put(turn: Turn, card: Card, changed: Card) -> None:
    cards = tuple(changed if known is card else known for known in turn.account.cards)
    turn.account = replace(turn.account, cards=cards)


def _request_if_default(turn: Turn, card: Card) -> None:
    """A default card that is free again counts as a new default card (rules M6 and B4)."""
    if turn.account.default_card == card.payment_method_id:
        request_waiting_bills(turn)
