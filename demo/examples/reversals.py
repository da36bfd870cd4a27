"""Examples of a disputed payment for credits: one that is still disputed, and one that came back."""

from demo.checks.rows import EntryRow, InputRow, PaymentRow
from demo.checks.wallets import BOUGHT
from demo.examples.account_history import AccountHistory, card_name, on
from demo.examples.example import Example


def dispute(history: AccountHistory) -> Example | None:
    """A dispute that nobody has won: the best shows that auto-refill is paused and the card blocked."""
    for taken, payment, entry in _taken(history):
        if _given_back(history, taken) is not None:
            continue
        paused = any(row.type == "refill-paused" and row.caused_by == taken.id for row in history.alerts)
        receipt = history.receipts.get(payment.payment_id)
        blocked = receipt is not None and (receipt.brand, receipt.last4) in {
            (card.brand, card.last4) for card in history.snapshot.payment_methods if card.blocked
        }
        text = f"{_bought(history, payment)}. {_lost(history, entry)}."
        if blocked and receipt is not None:
            text += f" The {card_name(receipt)} is blocked: nothing more is requested from it"
            text += ", and auto-refill is paused until the owner acts." if paused else " until the owner acts."
        elif paused:
            text += " Auto-refill is paused until the owner acts."
        return Example((paused and blocked, entry.balance_after_micros < 0, blocked), "a dispute", text)
    return None


def dispute_won(history: AccountHistory) -> Example | None:
    """A dispute that was won: the money is back in the wallet, and the card is in use again."""
    for taken, payment, entry in _taken(history):
        won = _given_back(history, taken)
        back = None if won is None else _entry_of(history, won)
        if won is None or back is None:
            continue
        paused = history.snapshot.auto_refill.paused_reason == "dispute"
        stays = ", but auto-refill waits for the owner" if paused else ""
        text = (
            f"{_bought(history, payment)}. {_lost(history, entry)}. Then the dispute was won: "
            f"{history.money(back.amount_micros)} came back, which made the balance "
            f"{history.money(back.balance_after_micros)}. The card may be used again{stays}."
        )
        return Example((paused, entry.balance_after_micros < 0), "a dispute that was won", text)
    return None


def _taken(history: AccountHistory) -> list[tuple[InputRow, PaymentRow, EntryRow]]:
    """Each dispute of a payment for credits, with that payment and what it took from the wallet."""
    payments = {payment.payment_id: payment for payment in history.payments if payment.purpose in BOUGHT}
    disputes = [row for row in history.inputs_of("payment-reversed") if row.kind == "dispute"]
    found = ((row, payments.get(row.payment_id), _entry_of(history, row)) for row in disputes)
    return [(row, payment, entry) for row, payment, entry in found if payment is not None and entry is not None]


def _given_back(history: AccountHistory, taken: InputRow) -> InputRow | None:
    later = (row for row in history.inputs_of("payment-reversed") if row.kind == "dispute_won")
    return next((row for row in later if row.payment_id == taken.payment_id), None)


def _entry_of(history: AccountHistory, reversal: InputRow) -> EntryRow | None:
    return next((entry for entry in history.entries if entry.caused_by == reversal.id), None)


def _bought(history: AccountHistory, payment: PaymentRow) -> str:
    receipt = history.receipts.get(payment.payment_id)
    card = "a card" if receipt is None else f"the {card_name(receipt)}"
    return (
        f"{history.account_id} added {history.money(payment.amount_micros)} of credits from {card} on "
        f"{on(payment.occurred_at)} ({payment.purpose})"
    )


def _lost(history: AccountHistory, entry: EntryRow) -> str:
    return (
        f"The cardholder disputed the payment with the bank: "
        f"{history.money(-entry.amount_micros)} left the wallet again, which made its balance "
        f"{history.money(entry.balance_after_micros)}"
    )
