"""Which credits are used, oldest first, computed from one number. Rule P13.

Imagine all credits ever added on one line, in order of crediting: each lot is a stretch of that line. The used part is
everything before one position, `credited - refunded - balance`. Charges move the position up; a debt moves it past the
end of the line, into the next lot. Money given back moves it down, into the newest used lot. A refund cuts the unused
end out of its lot: this leaves a hole, and everything behind the hole moves down by its width. A hole is remembered for
as long as lots of that age can still be refunded.
"""

from msgspec.structs import replace

from schemas.account import Account, Hole
from schemas.rows import Purchase


def credit_lot(account: Account, purchase: Purchase, at_ms: int) -> tuple[Account, Purchase]:
    """Put a paid lot at the end of the line. The caller moves the balance."""
    start_micros = account.credited_micros
    account = replace(account, credited_micros=start_micros + purchase.amount_micros)
    return account, replace(purchase, status="succeeded", credited_at_ms=at_ms, lot_start_micros=start_micros)


def unused_micros(account: Account, lot_start_micros: int, lot_micros: int) -> int:
    """The part of a lot that is neither used nor refunded, in micros."""
    refunded = sum(hole.micros for hole in account.holes)
    used = account.credited_micros - refunded - account.balance_micros
    start = lot_start_micros - sum(h.micros for h in account.holes if h.lot_start_micros < lot_start_micros)
    width = lot_micros - sum(h.micros for h in account.holes if h.lot_start_micros == lot_start_micros)
    return max(0, start + width - max(start, used))


def cut_hole(account: Account, hole: Hole, forget_before_ms: int) -> Account:
    """`account` with a refunded part cut out of its lot.

    Holes of lots credited before `forget_before_ms` are merged into one at the front: the lots between them can no
    longer be refunded, and for newer lots only the sum of the holes matters.
    """
    holes = sorted((*account.holes, hole), key=lambda h: h.lot_start_micros)
    old = [h for h in holes if h.credited_at_ms < forget_before_ms]
    if len(old) > 1:
        merged = replace(old[0], micros=sum(h.micros for h in old))
        holes = [merged, *(h for h in holes if h.credited_at_ms >= forget_before_ms)]
    return replace(account, holes=tuple(holes))


def fill_hole(account: Account, lot_start_micros: int, micros: int) -> Account:
    """`account` with a refunded part put back, because the refund was declined."""
    holes = list(account.holes)
    exact = [i for i, h in enumerate(holes) if h.lot_start_micros == lot_start_micros and h.micros >= micros]
    at = exact[-1] if exact else 0
    holes[at] = replace(holes[at], micros=holes[at].micros - micros)
    assert holes[at].micros >= 0, "a refund gave back more than it took"
    return replace(account, holes=tuple(h for h in holes if h.micros))
