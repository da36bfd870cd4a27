"""Which credits are used, oldest first, without keeping a list of them. Rule P13.

All credits ever added lie on one line, in order of crediting: a lot is a stretch of that line. What is used of it is
one number, `credited - refunded - balance`: charges move it up (a debt moves it past the end, into the next lot),
money given back moves it down, into the newest used lot. A refund cuts the unused end out of its lot: a hole, and
everything behind the hole moves down by its width. A hole is remembered while lots that old can still be refunded.
"""

from msgspec.structs import replace

from schemas.account import Account, Hole
from schemas.rows import Purchase


def credit_lot(account: Account, purchase: Purchase, at_ms: int) -> tuple[Account, Purchase]:
    """A paid lot put at the end of the line of all credits. The wallet is moved by the caller."""
    start_micros = account.credited_micros
    account = replace(account, credited_micros=start_micros + purchase.amount_micros)
    return account, replace(purchase, status="succeeded", credited_at_ms=at_ms, lot_start_micros=start_micros)


def unused_micros(account: Account, lot_start_micros: int, lot_micros: int) -> int:
    """How much of a lot is neither used nor refunded."""
    refunded = sum(hole.micros for hole in account.holes)
    used = account.credited_micros - refunded - account.balance_micros
    start = lot_start_micros - sum(h.micros for h in account.holes if h.lot_start_micros < lot_start_micros)
    width = lot_micros - sum(h.micros for h in account.holes if h.lot_start_micros == lot_start_micros)
    return max(0, start + width - max(start, used))


def cut_hole(account: Account, hole: Hole, forget_before_ms: int) -> Account:
    """`account` with a refunded part cut out. Holes of lots credited before `forget_before_ms` become one, at the
    front: no lot between them can be refunded any more, and for the others only their sum counts.
    """
    holes = sorted((*account.holes, hole), key=lambda h: h.lot_start_micros)
    old = [h for h in holes if h.credited_at_ms < forget_before_ms]
    if len(old) > 1:
        merged = replace(old[0], micros=sum(h.micros for h in old))
        holes = [merged, *(h for h in holes if h.credited_at_ms >= forget_before_ms)]
    return replace(account, holes=tuple(holes))


def fill_hole(account: Account, lot_start_micros: int, micros: int) -> Account:
    """`account` with a refunded part given back, because the refund was declined."""
    holes = list(account.holes)
    exact = [i for i, h in enumerate(holes) if h.lot_start_micros == lot_start_micros and h.micros >= micros]
    at = exact[-1] if exact else 0
    holes[at] = replace(holes[at], micros=holes[at].micros - micros)
    assert holes[at].micros >= 0, "a refund gave back more than it took"
    return replace(account, holes=tuple(h for h in holes if h.micros))
