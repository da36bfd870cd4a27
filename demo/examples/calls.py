"""Examples of a call that lasted too long to be believed, and of a call that two telephones reported."""

from backoffice.explain.wording import duration
from demo.checks.rows import ChargeRow, InputRow
from demo.examples.account_history import AccountHistory, on
from demo.examples.example import Example
from demo.plans import plan_of
from schemas.instant import HOUR_MS, MINUTE_MS, SECOND_MS, parse_instant


def overlong(history: AccountHistory) -> Example | None:
    """A call longer than the longest call of its plan; the best costs the most."""
    told = {alert.call_id for alert in history.alerts if alert.type == "call-overlong"}
    charges = [row for row in history.charges if row.call_id in told and row.reported_ms and row.type == "call-charged"]
    charge = max(charges, key=lambda row: row.amount_micros, default=None)
    if charge is None:
        return None
    plan = plan_of(charge.plan, history.snapshot.currency)
    return Example(
        score=(charge.receipt.minutes is not None, charge.amount_micros),
        title="a call that nobody hung up",
        text=(
            f"a call of {history.account_id} ended on {on(charge.occurred_at)} after {_hours(charge.reported_ms)}. "
            f"{plan.display_name} charges at most {_hours(plan.longest_call_ms)} of a call: this one cost "
            f"{history.money(charge.amount_micros)}. The alert `call-overlong` asks a person to look at it."
        ),
    )


def by_legs(history: AccountHistory) -> Example | None:
    """A call whose two telephones reported it separately; the best was answered by both and cost something."""
    examples = [
        example
        for call_id, legs in history.legs.items()
        if (example := _by_legs(history, legs, [row for row in history.charges if row.call_id == call_id])) is not None
    ]
    return max(examples, key=lambda example: example.score, default=None)


def _by_legs(history: AccountHistory, legs: list[InputRow], charges: list[ChargeRow]) -> Example | None:
    if len(legs) < 2 or not charges:
        return None
    answered = sum(leg.answered_at is not None for leg in legs)
    total_micros = sum(row.amount_micros for row in charges)
    adjusted = [row for row in charges if row.reason == "leg"]
    amounts = [f"{history.money(charges[0].amount_micros)} when the first leg ended"]
    amounts += [f"{history.money(row.amount_micros)} more when the other ended" for row in adjusted]
    return Example(
        score=(len(adjusted) == 1 and total_micros > 0, answered, total_micros),
        title="one call on two telephones",
        text=(
            f"a call of {history.account_id} on {on(legs[0].occurred_at)} has two legs: "
            f"{' and '.join(_leg(leg) for leg in legs)}. It is charged as one call of "
            f"{_seconds(charges[-1].billable_ms)}: {', '.join(amounts)}, {history.money(total_micros)} in all."
        ),
    )


def _leg(leg: InputRow) -> str:
    if leg.answered_at is None:
        return f"`{leg.leg_id}` was not answered"
    return f"`{leg.leg_id}` talked for {_seconds(parse_instant(leg.occurred_at) - parse_instant(leg.answered_at))}"


def _hours(millis: int) -> str:
    """`6 h 36 min`, in whole minutes."""
    hours, rest = divmod(millis, HOUR_MS)
    return f"{hours} h {rest // MINUTE_MS} min" if rest >= MINUTE_MS else f"{hours} h"


def _seconds(millis: int) -> str:
    """`4 min 32 s`, in whole seconds."""
    return duration(millis - millis % SECOND_MS)
