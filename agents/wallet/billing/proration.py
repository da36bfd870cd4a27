"""Which plan changes take effect at once, and what the rest of a term costs. Rules M7, P11 and K2.

These are functions without an account: the owner's page shows with them what a change will cost.
"""

from typing import NamedTuple

from schemas.money import round_half_up
from schemas.period import local_date
from schemas.plan import AnyPlan, MinutesPlan


class RestOfTerm(NamedTuple):
    """The fee for the days that are left of a term, the day of the change included."""

    micros: int
    left_days: int
    days: int


def rest_of_term(
    fee_micros: int, term_start_ms: int, term_end_ms: int, at_ms: int, time_zone: str, step_micros: int
) -> RestOfTerm:
    """The part of a term's fee for the days from `at_ms` to its end, rounded to a multiple of `step_micros`, which a
    card can pay. Days are those of the account's time zone.
    """
    first, end = local_date(term_start_ms, time_zone), local_date(term_end_ms, time_zone)
    today = min(max(local_date(at_ms, time_zone), first), end)
    left, days = (end - today).days, (end - first).days
    return RestOfTerm(round_half_up(fee_micros * left, step_micros * days) // days, left, days)


def is_upgrade(term_months: int, fee_micros: int, wanted: AnyPlan) -> bool:
    """Whether a running term of so many months and of this fee changes to the wanted plan at once: the interval is the
    same, and the price is not lower.
    """
    return isinstance(wanted, MinutesPlan) and wanted.term_months == term_months and wanted.fee_micros >= fee_micros
