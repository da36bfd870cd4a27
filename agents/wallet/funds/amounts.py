"""Amounts that inputs give: what is a whole amount in the account's currency, and what a card can be charged.

Rules G13, K2 and K4.
"""

from agents.wallet.turn import Refusal, Turn


def refuse_fraction(turn: Turn, field: str, *given_micros: int | None) -> Refusal | None:
    """Refuse an amount that is a fraction of the minor unit of the account's currency; None is left out. Rule K4."""
    minor_micros = turn.currency.minor_micros
    if all(micros is None or micros % minor_micros == 0 for micros in given_micros):
        return None
    return Refusal(
        "amount_not_payable",
        f"`{field}` is a fraction of the minor unit of {turn.account.currency}: expected a multiple of {minor_micros}",
    )


def refuse_unpayable(turn: Turn, amount_micros: int) -> Refusal | None:
    """Refuse an amount that a card cannot be charged as a whole. Rules K2 and K4."""
    currency = turn.currency
    if currency.is_payable(amount_micros):
        return None
    return Refusal(
        "amount_not_payable",
        f"`amount_micros` cannot be charged to a card in {turn.account.currency}: expected a multiple of"
        f" {currency.step_micros} from {currency.least_micros} to {currency.greatest_micros}",
    )
