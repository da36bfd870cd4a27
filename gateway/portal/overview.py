"""`/portal`: will calls be answered, how much is left, and what did that cost."""

from dataclasses import dataclass
from typing import Any

from gateway.portal.attention import attention_of
from gateway.portal.pages import Page
from gateway.portal.today import OUTCOMES, calls_today
from gateway.portal.transactions import transactions_of
from gateway.portal.visit import Visit

RECENT = 5
# The width of the bar's drawing, whatever its width on the screen.
BAR_UNITS = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A period's usage: the sentence, and how far the bar's parts reach, in BAR_UNITS. `mark` is where the included
    calls or minutes end, None where that is the end of the bar. `empty`: nothing is included and nothing used.
    """

    sentence: str
    unit: str
    used: int
    projected: int
    mark: int | None
    empty: bool


async def _context(visit: Visit) -> dict[str, Any]:
    today = await calls_today(visit)
    recent, _ = await transactions_of(visit, RECENT)
    pending = [
        payment for payment in visit.snapshot["pending_payments"] if payment["purpose"] in {"purchase", "refill"}
    ]
    return {
        "attention": await attention_of(visit, today),
        "pending": pending,
        "plan_line": plan_line(visit),
        "bar": bar_of(visit),
        "cost_micros": sum(visit.usage["cost_by_call_type_micros"].values()),
        "today": today,
        "outcomes": [one for one in OUTCOMES if today.outcomes[one[0]] or one[0] == "answered"],
        "transactions": recent,
    }


def plan_line(visit: Visit) -> str:
    """`Professional, renews on 14 March`."""
    snapshot, words = visit.snapshot, visit.words
    subscription, usage = snapshot["subscription"], visit.usage
    parts = [plan_name(visit, snapshot["plan"])]
    if subscription["status"] == "cancelling":
        parts.append(f"ends on {words.day(subscription['ends_at'])}")
    elif subscription["renews_at"] is not None:
        parts.append(f"renews on {words.day(subscription['renews_at'])}")
    elif subscription["status"] == "ended":
        parts.append("ended")
    else:
        parts.append(f"next month begins on {words.day(usage['period_end'])}")
    if change := snapshot.get("plan_change"):
        parts.append(f"{plan_name(visit, change['plan'])} from {words.day(change['at'])}")
    return ", ".join(parts)


def plan_name(visit: Visit, name: str) -> str:
    """What the catalogue calls a plan."""
    plan = visit.parts.plans.plans.get(name)
    return name if plan is None else plan.display_name or name


def bar_of(visit: Visit) -> Bar:
    usage = visit.usage
    if visit.credits:
        used, included, projected = usage["calls_counted"], usage["calls_included"], usage["projected_calls"]
    else:
        used, included, projected = usage["minutes_used"], usage["minutes_included"], usage["projected_minutes"]
    end = max(used, included, projected or 0) or 1
    return Bar(
        _sentence(visit, used, included, projected),
        "calls" if visit.credits else "minutes",
        int(used * BAR_UNITS // end),
        int((projected or 0) * BAR_UNITS // end),
        int(included * BAR_UNITS // end) if included < end else None,
        not used and not included,
    )


def _sentence(visit: Visit, used: float, included: float, projected: float | None) -> str:
    """`7 of 25 included calls used. At this pace you will use 31 by 14 March.`"""
    number, unit = visit.words.number, "call" if visit.credits else "minute"
    if not used and not included:
        return f"No {unit}s are included, and none were used."
    if used > included:
        said = f"{visit.words.count(used, unit)} used, {number(included)} of them included."
    else:
        said = f"{number(used)} of {visit.words.count(included, f'included {unit}')} used"
        said += f", {number(visit.usage['minutes_remaining'])} remaining." if not visit.credits else "."
    if projected is not None and used:
        end = visit.words.day(visit.usage["period_end"])
        said += f" At this pace you will use {number(round(projected))} by {end}."
    return said


PAGES = (Page("/portal", "overview", "Overview", "overview.html", _context),)
