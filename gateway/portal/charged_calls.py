"""The calls of a billing period as they now stand: the newest receipt of each."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice

import msgspec

from backoffice.explain.call_history import is_counted
from gateway.portal.periods import Period
from gateway.portal.visit import Visit
from gateway.reads import calls
from gateway.reads.calls import Place
from gateway.reads.cursor import Asked
from gateway.reads.log_order import STEP_ROWS
from schemas.call import End
from schemas.facts import CallCharged, ChargeAdjusted, MinutesReceipt
from schemas.instant import DAY_MS, format_instant, parse_instant

# A page reads no more calls than this: it is a second's work, and views may keep more for a very large customer.
CALLS_MAX = 5_000

_decode = msgspec.json.Decoder(CallCharged | ChargeAdjusted).decode


@dataclass(frozen=True, slots=True)
class ChargedCall:
    """A call that was charged, be it nothing. `counted`: it was answered, real and not redirected. `used_ms` is what it
    took of the minutes of its period, in whole increments; None for a call of a credits plan.
    """

    call_id: str
    end: End
    period_start: str
    counted: bool
    used_ms: int | None


def charged_call(call: calls.Call) -> ChargedCall | None:
    """The call by its newest receipt; None without a charge."""
    if call.charge is None:
        return None
    newest = _decode((call.charge, *call.adjustments)[-1])
    receipt = newest.receipt
    end = End(
        started_at_ms=int(parse_instant(receipt.started_at)),
        answered_at_ms=None if receipt.answered_at is None else int(parse_instant(receipt.answered_at)),
        ended_at_ms=int(parse_instant(receipt.ended_at)),
        direction=newest.direction,
        outcome=receipt.outcome,
        features=receipt.features_used,
        real=receipt.real,
    )
    minutes = receipt.minutes
    used_ms = minutes.rated_ms if isinstance(minutes, MinutesReceipt) else None
    return ChargedCall(newest.call_id, end, newest.period_start, is_counted(receipt), used_ms)


def of_period(found: Iterable[ChargedCall], period: Period) -> list[ChargedCall]:
    """Those that the engine counts to the period."""
    start = format_instant(period.start_ms)
    return [call for call in found if call.period_start == start]


async def calls_in(visit: Visit, period: Period) -> tuple[list[ChargedCall], bool]:
    """The newest charged calls of the period, and whether there are more than are read."""
    # A call's first event may come before the start that its end reports.
    asked = Asked(max(0, period.start_ms - DAY_MS), period.end_ms)
    found = [call async for call in _charged(visit, asked)]
    return of_period(found, period), len(found) >= CALLS_MAX


async def _charged(visit: Visit, asked: Asked) -> AsyncIterator[ChargedCall]:
    after: Place | None = None
    read = 0
    while read < CALLS_MAX:
        places = await calls.places(visit.source, after, asked, STEP_ROWS + 1)
        for call in map(charged_call, await calls.joined(visit.source, islice(places, STEP_ROWS))):
            if call is not None:
                yield call
        if len(places) <= STEP_ROWS:
            return
        after, read = places[STEP_ROWS - 1], read + STEP_ROWS
