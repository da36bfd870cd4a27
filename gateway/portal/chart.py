"""The usage of each day as a chart of stacked bars: the geometry of an SVG, without text. All numbers are whole.

The page writes the labels beside it as text, so that they keep their size on a narrow screen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from gateway.portal.periods import Period
from schemas.instant import MINUTE_MS
from schemas.period import local_date

# Of the picture, in its own units.
HEIGHT, DAY_WIDTH, GAP = 160, 24, 5
# From the bottom of a bar to its top.
TYPES = ("inbound", "outbound", "web")
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Day:
    """What was used on one day, by call type: calls, or milliseconds."""

    on: date
    used: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.used.values())


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a day's bar. `top` is measured from the upper edge."""

    type: str
    left: int
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """`most` is what the upper edge stands for: calls, or minutes."""

    days: tuple[Day, ...]
    most: int
    bars: tuple[Bar, ...]
    lines: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.days) * DAY_WIDTH

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def bar_width(self) -> int:
        return DAY_WIDTH - GAP

    @property
    def is_empty(self) -> bool:
        return not self.bars


def by_day(used: Iterable[tuple[int, str, int]], period: Period, zone: str) -> tuple[Day, ...]:
    """Every day of the period with what was used on it: (ms, call type, amount). Days are those of the time zone."""
    first, end = local_date(period.start_ms, zone), local_date(period.end_ms, zone)
    days = {first + timedelta(days=n): dict.fromkeys(TYPES, 0) for n in range((end - first).days)}
    for at_ms, kind, amount in used:
        # A call that is counted to the period by another of its legs may have begun the day before.
        days[min(max(local_date(at_ms, zone), first), end - timedelta(days=1))][kind] += amount
    return tuple(Day(on, amounts) for on, amounts in days.items())


def chart_of(days: tuple[Day, ...], *, minutes: bool) -> Chart:
    """The chart of these days, of calls or of minutes."""
    unit = MINUTE_MS if minutes else 1
    most = nice_top(-(-max((day.total for day in days), default=0) // unit))
    scale = most * unit
    bars = tuple(bar for place, day in enumerate(days) for bar in _bars(place, day, scale))
    return Chart(days, most, bars, (0, HEIGHT // 2, HEIGHT))


def _bars(place: int, day: Day, scale: int) -> Iterable[Bar]:
    """The parts of one day from the bottom up, each from where the one below it ends."""
    tops = [HEIGHT - HEIGHT * amount // scale for amount in accumulate(day.used[kind] for kind in TYPES)]
    left = place * DAY_WIDTH + GAP // 2
    for kind, bottom, top in zip(TYPES, [HEIGHT, *tops], tops, strict=False):
        if day.used[kind]:
            # However little it is, it can be seen.
            yield Bar(kind, left, min(top, bottom - 1), max(1, bottom - top))


def nice_top(most: int) -> int:
    """The least of 2, 4, 10, 20, 40, 100 and so on that is not below `most`: its half is whole as well."""
    power = 1
    while True:
        for step in _STEPS:
            if 2 * step * power >= most:
                return 2 * step * power
        power *= 10
