"""Money, times, cards and reasons as mails write them, in the currency and the time zone of one event."""

import re
from collections.abc import Mapping
from typing import Any

from babel.dates import format_time, get_timezone_location

from agents.notifier.mail.reasons import sentence_of
from backoffice.amounts import shown_amount
from backoffice.documents.wording import brand_of, day, days, humanized, local, plain, purpose_of
from schemas.instant import HOUR_MS, MINUTE_MS
from schemas.plan import Catalogue
from schemas.zones import is_zone, zone

_LOCALE = "en_US"
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_DAY_AND_MONTH = re.compile(r"(?<=\d) (?=[A-Z])")
# The operator reads UTC, as in the logs.
UTC = "UTC"


def format_moment(instant: str, time_zone: str) -> str:
    """A time as people in the zone read it: `3 March 2026, 10:42 (New York time)`."""
    at = local(instant, time_zone)
    where = get_timezone_location(zone(time_zone), locale=_LOCALE, return_city=True) if "/" in time_zone else ""
    # Zones such as `Etc/GMT+5` and `EST` are no places: their offset says it.
    if time_zone.startswith("Etc/") or not where:
        shown = f"{UTC}{at.isoformat()[-6:]}" if at.utcoffset() else UTC
    else:
        shown = f"{where} time"
    return f"{_kept_together(day(at.date()))}, {format_time(at, 'HH:mm', locale=_LOCALE)} ({shown})"


def _kept_together(days_text: str) -> str:
    """A day and its month stay on one line."""
    return _DAY_AND_MONTH.sub(_NO_BREAK_SPACE, days_text)


class Words:
    """How one event's values are written."""

    def __init__(self, fields: Mapping[str, Any], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._currency = str(fields.get("currency") or "USD")
        given = fields.get("time_zone")
        self._time_zone = given if isinstance(given, str) and is_zone(given) else UTC

    def money(self, micros: int) -> str:
        return shown_amount(micros, self._currency, self._catalogue.currency(self._currency).minor_units)

    def moment(self, instant: str) -> str:
        return format_moment(instant, self._time_zone)

    def day(self, instant: str) -> str:
        return _kept_together(day(local(instant, self._time_zone).date()))

    def period(self, start: str, end: str) -> str:
        """A half-open period as its first and last day."""
        return _kept_together(days(start, end, self._time_zone))

    def plan(self, name: str) -> str:
        """A plan as its owner knows it; one that is no longer in the catalogue by its name."""
        plan = self._catalogue.plans.get(name)
        return plain(plan.display_name if plan is not None and plan.display_name else humanized(name))

    @staticmethod
    def card(brand: str | None, last4: str | None, *, start: bool = True) -> str:
        """`Visa •••• 4242`; without a card `Your card`, or `your card` where no sentence starts."""
        if not last4:
            return "Your card" if start else "your card"
        return f"{brand_of(brand) if brand else 'Card'}{_NO_BREAK_SPACE}••••{_NO_BREAK_SPACE}{last4}"

    @staticmethod
    def reason(code: str) -> str:
        """Why a card was declined, as one sentence for its holder."""
        return sentence_of(code)

    @staticmethod
    def purpose(name: str) -> str:
        return purpose_of(name)

    @staticmethod
    def duration(millis: int) -> str:
        """`4 h 2 min`, rounded down to minutes; below one minute in seconds."""
        if millis < MINUTE_MS:
            return f"{millis // 1000} s"
        hours, rest_ms = divmod(millis, HOUR_MS)
        minutes = f"{rest_ms // MINUTE_MS} min"
        return f"{hours} h {minutes}" if hours else minutes
