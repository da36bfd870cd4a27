"""What is left of each lot of credits, worked out from nothing every time it is asked. Rules M10, P13, R5."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Movement:
    """One movement of a wallet that has happened. `amount` is positive; `kind` says what it did.

    `credit` made the lot `lot`; `use` drew from the wallet; `back` returned a part of a use. `refund` and `reverse`
    took from the lot `lot` first; `unrefund` and `unreverse` gave that back.
    """

    kind: Literal["credit", "use", "back", "refund", "unrefund", "reverse", "unreverse"]
    amount: int
    lot: str = ""

    @property
    def sign(self) -> int:
        return -1 if self.kind in ("use", "refund", "reverse") else 1


@dataclass
class Lot:
    """What was credited, and what became of it. What paid an older debt counts as used."""

    lot: str
    credited: int
    used: int = 0
    refunded: int = 0
    reversed: int = 0

    @property
    def left(self) -> int:
        return self.credited - self.used - self.refunded - self.reversed


class Wallet:
    """The lots in order of crediting, and the debt, as they stand after some movements."""

    def __init__(self, movements: Sequence[Movement]) -> None:
        self.lots: list[Lot] = []
        self.debt = 0
        for movement in movements:
            self._move(movement)

    def lot(self, name: str) -> Lot:
        return next(lot for lot in self.lots if lot.lot == name)

    def _move(self, movement: Movement) -> None:
        amount = movement.amount
        if movement.kind == "credit":
            eaten = self._pay_debt(amount)
            self.lots.append(Lot(movement.lot, amount, used=eaten))
        elif movement.kind == "use":
            self._use(amount)
        elif movement.kind == "back":
            self._give_back(amount - self._pay_debt(amount))
        elif movement.kind in ("refund", "reverse"):
            lot = self.lot(movement.lot)
            own = min(lot.left, amount)
            if movement.kind == "refund":
                lot.refunded += own
            else:
                lot.reversed += own
            self._use(amount - own)
        else:
            rest = amount - self._pay_debt(amount)
            lot = self.lot(movement.lot)
            own = min(rest, lot.refunded if movement.kind == "unrefund" else lot.reversed)
            if movement.kind == "unrefund":
                lot.refunded -= own
            else:
                lot.reversed -= own
            self._give_back(rest - own)

    def _pay_debt(self, amount: int) -> int:
        """A debt is paid first. Rules C10, P13."""
        eaten = min(self.debt, amount)
        self.debt -= eaten
        return eaten

    def _use(self, amount: int) -> None:
        """The oldest lot first, and what no lot covers is debt."""
        for lot in self.lots:
            taken = min(lot.left, amount)
            lot.used += taken
            amount -= taken
        self.debt += amount

    def _give_back(self, amount: int) -> None:
        """The newest used lot first.

        What the card had paid for a call may come back as well, more than any lot had: it is not refundable, and used
        first.
        """
        for lot in reversed(self.lots):
            filled = min(lot.used, amount)
            lot.used -= filled
            amount -= filled
        if amount:
            self.lots.insert(0, Lot("", amount))
