"""Which credits are used, oldest first, computed from one number. Rules P13 and R5.

Imagine all credits ever added on one line, in order of crediting: each lot is a stretch of that line. The used part is
everything before one position. Charges move the position up; a debt moves it past the end of the line, into the next
lot. Money given back for a call moves it down, into the newest used lot. A refund or a reversal cuts the unused end out
of its lot: this leaves a hole, and everything behind the hole moves down by its width.

What is given back to a lot fills its hole. If the position has passed the lot by then, the credits given back cannot be
on the line: they are `returned` and stand beside it, older than everything unused on the line, so that the next charge
takes them first. A charge that takes them puts them on the line, used.

These functions move holes and returned credits. Their callers move the balance by the same amount.
"""

from msgspec.structs import replace

from schemas.account import Account, Hole
from schemas.payment_rows import Lot

# A dispute can be lost, won and lost again long after its lot can be refunded. Hardly any account has so many of them.
OLD_HOLES_MAX = 32


def unused_micros(account: Account, lot: Lot, lot_micros: int) -> int:
    """The part of a lot that is neither used nor cut out, in micros."""
    start, end = _ends(account.holes, lot.start_micros, lot_micros)
    returned = sum(h.returned_micros for h in account.holes if h.lot_start_micros == lot.start_micros)
    return returned + max(0, end - max(start, _position(account)))


def use_returned(account: Account, micros: int) -> Account:
    """`account` before `micros` are charged: returned credits are used before newer ones, and after older ones."""
    position, before, left = _position(account), 0, micros
    holes = list(account.holes)
    for at, hole in enumerate(holes):
        end = hole.lot_start_micros - before + hole.lot_micros - hole.micros
        before += hole.micros
        if hole.returned_micros and left:
            from_line = min(left, max(0, end - position))
            position += from_line
            used = min(left - from_line, hole.returned_micros)
            left -= from_line + used
            holes[at] = replace(hole, micros=hole.micros - used, returned_micros=hole.returned_micros - used)
    return replace(account, holes=tuple(hole for hole in holes if hole.micros))


def take(account: Account, lot: Lot, lot_micros: int, micros: int, forget_before_ms: int) -> tuple[Account, int]:
    """Take `micros` out of the wallet: the unused part of the lot first, the rest like a charge. Rule R5. Returns how
    much was cut out of the lot.

    Of the holes of lots credited before `forget_before_ms`, the oldest beyond OLD_HOLES_MAX are merged into one at the
    front: the lots between them can no longer be refunded, and for newer lots only the sum of the holes matters.
    """
    own_micros = min(micros, unused_micros(account, lot, lot_micros))
    rest_micros = micros - own_micros
    if own_micros:
        account = replace(account, holes=_cut(account.holes, lot, own_micros, forget_before_ms))
    if rest_micros:
        charged = replace(account, balance_micros=account.balance_micros - own_micros)
        account = replace(account, holes=use_returned(charged, rest_micros).holes)
    return account, own_micros


def give_back(
    account: Account, lot: Lot, lot_micros: int, micros: int, cut_micros: int, still_taken_micros: int
) -> tuple[Account, int]:
    """Give `micros` of what was taken back: the debt is paid first, then the lot gets back what was taken there; the
    rest refills the newest used lot. Rule R5.

    `cut_micros` were cut out of the lot, and `still_taken_micros` are not given back. Returns how much stays cut out.
    """
    paid_micros = min(micros, max(0, -account.balance_micros))
    own_micros = min(micros - paid_micros, cut_micros)
    left_micros = min(cut_micros - own_micros, still_taken_micros)
    # Where the debt has eaten what belongs to the lot, the lot has it back as a used part, like a new lot would.
    eaten_micros = cut_micros - own_micros - left_micros
    if not own_micros + eaten_micros:
        return account, left_micros
    _, end = _ends(account.holes, lot.start_micros, lot_micros)
    is_passed = _position(account) - paid_micros > end
    holes = list(account.holes)
    at = _hole_of(holes, lot, own_micros + eaten_micros)
    hole = holes[at]
    returned_micros = hole.returned_micros + (own_micros if is_passed else 0)
    holes[at] = replace(
        hole,
        micros=hole.micros - eaten_micros - (0 if is_passed else own_micros),
        returned_micros=returned_micros,
        lot_micros=lot_micros if hole.lot_start_micros == lot.start_micros else hole.lot_micros,
    )
    assert 0 <= returned_micros <= holes[at].micros, "more was given back to a lot than was taken there"
    return replace(account, holes=tuple(h for h in holes if h.micros)), left_micros


def recent_holes(account: Account, forget_before_ms: int) -> int:
    """How many holes of lots credited since then the account has to remember one by one."""
    return sum(hole.credited_at_ms >= forget_before_ms for hole in account.holes)


def _position(account: Account) -> int:
    """The end of the used part of the line."""
    cut = returned = 0
    for hole in account.holes:
        cut += hole.micros
        returned += hole.returned_micros
    return account.credited_micros - cut - (account.balance_micros - returned)


def _ends(holes: tuple[Hole, ...], lot_start_micros: int, lot_micros: int) -> tuple[int, int]:
    """Where a lot begins and ends on the line, with all holes closed."""
    start = lot_start_micros - sum(h.micros for h in holes if h.lot_start_micros < lot_start_micros)
    return start, start + lot_micros - sum(h.micros for h in holes if h.lot_start_micros == lot_start_micros)


def _cut(holes: tuple[Hole, ...], lot: Lot, micros: int, forget_before_ms: int) -> tuple[Hole, ...]:
    """The holes with an unused part cut out of a lot: its returned credits first, then the end of its stretch."""
    merged: dict[int, Hole] = {}
    for hole in sorted((*holes, Hole(lot.start_micros, 0, lot.credited_at_ms)), key=_start):
        known = merged.get(hole.lot_start_micros)
        merged[hole.lot_start_micros] = hole if known is None else _joined(known, hole)
    own = merged[lot.start_micros]
    from_returned = min(own.returned_micros, micros)
    merged[lot.start_micros] = replace(
        own,
        micros=own.micros + micros - from_returned,
        returned_micros=own.returned_micros - from_returned,
    )
    old = [hole for hole in merged.values() if hole.credited_at_ms < forget_before_ms]
    recent = [hole for hole in merged.values() if hole.credited_at_ms >= forget_before_ms]
    beyond = len(old) - OLD_HOLES_MAX
    if beyond > 0:
        front = old[0]
        for hole in old[1 : beyond + 1]:
            front = _joined(front, hole)
        # No lot has all of these holes, and each lot has passed out of the refund window.
        old = [replace(front, lot_micros=0), *old[beyond + 1 :]]
    return (*old, *recent)


def _joined(one: Hole, other: Hole) -> Hole:
    return replace(
        one,
        micros=one.micros + other.micros,
        returned_micros=one.returned_micros + other.returned_micros,
        lot_micros=max(one.lot_micros, other.lot_micros),
    )


def _hole_of(holes: list[Hole], lot: Lot, micros: int) -> int:
    """The place of the hole that was cut out of the lot; that of the old holes, which are one, when it is one of
    them.
    """
    return next(
        (
            at
            for at, hole in enumerate(holes)
            if hole.lot_start_micros == lot.start_micros and hole.micros - hole.returned_micros >= micros
        ),
        0,
    )


def _start(hole: Hole) -> int:
    return hole.lot_start_micros
