"""A calendar month in a time zone, as an interval of time."""

import re
from dataclasses import dataclass
from datetime import datetime

from backoffice.report.facts import ReportError
from schemas.instant import to_millis
from schemas.zones import is_zone, zone

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_YEARS = range(1970, 3000)


class MonthError(ReportError):
    """The command line names no month, or no time zone."""


@dataclass(frozen=True, slots=True)
class Month:
    """Half-open, in milliseconds."""

    name: str
    time_zone: str
    start_ms: int
    end_ms: int

    def holds(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms


def read_month(name: str, time_zone: str) -> Month:
    """The month `2026-01`, from its first local midnight to that of the next month. Raises MonthError."""
    found = _MONTH.fullmatch(name)
    if found is None or int(found[1]) not in _YEARS:
        raise MonthError(f"--month {name!r}: expected a month such as 2026-01")
    if not is_zone(time_zone):
        raise MonthError(f"--time-zone {time_zone!r}: not in the IANA time zone database")
    year, month = int(found[1]), int(found[2])
    first = datetime(year, month, 1, tzinfo=zone(time_zone))
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone(time_zone))
    return Month(name, time_zone, to_millis(first), to_millis(following))
