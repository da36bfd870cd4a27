"""Plans and changes of plan in the owner's words."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.portal.periods import Snapshot
from gateway.portal.plan_change import Change, Side, plan_title, usable_card
from gateway.portal.words import MINUS, Words
from schemas.plan import AnyPlan, CreditsPlan

NOTHING_TODAY = "Nothing to pay today."


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """What a change does in a sentence, what else the owner should know, and what the button says."""

    sentence: str
    notes: tuple[str, ...]
    button: str


def price_of(plan: AnyPlan, words: Words) -> str:
    """`$49.00 a month`."""
    if not plan.monthly_price_micros:
        return "no monthly fee"
    price = f"{words.money(plan.monthly_price_micros)} a month"
    return f"{price}, billed yearly ({words.money(plan.fee_micros)})" if plan.interval == "year" else price


def included_in(plan: AnyPlan, words: Words) -> list[str]:
    """What the plan has, then what goes beyond it and costs more."""
    if isinstance(plan, CreditsPlan):
        lines = [
            f"{words.count(plan.included_calls, 'call')} a month, then {words.money(plan.extra_call_micros)} a call"
        ]
        lines += _priced_features(plan, words)
    else:
        rates = {plan.inbound_micros, plan.outbound_micros, plan.web_micros}
        beyond = f"{words.money(plan.inbound_micros)} a minute"
        if len(rates) > 1:
            beyond = (
                f"{words.money(plan.inbound_micros)} a minute inbound, {words.money(plan.outbound_micros)} outbound,"
                f" {words.money(plan.web_micros)} web"
            )
        lines = [f"{words.count(plan.included_minutes, 'minute')} a month, then {beyond}"]
    return [*lines, *plan.included_features]


def _priced_features(plan: CreditsPlan, words: Words) -> Iterable[str]:
    yield f"Live agent: {words.money(plan.live_agent_micros)} a call that uses it"
    yield f"Appointment booking: {words.money(plan.appointment_booking_micros)} a call that uses it"
    yield f"At most {words.money(plan.cap_micros)} a call in all"


def words_of(change: Change, snapshot: Snapshot, words: Words) -> ChangeWords:
    """The change as its page puts it before the owner."""
    title = plan_title(change.wanted)
    if not change.at_once:
        sentence = f"{title} from {words.day(change.at_ms)}: {price_of(change.wanted, words)}. {NOTHING_TODAY}"
        return ChangeWords(sentence, _notes(change, snapshot, words), f"Change to {title} on {words.day(change.at_ms)}")
    verb = _verb(change, snapshot)
    notes = _notes(change, snapshot, words)
    button = f"{verb} to {title}" if verb == "Upgrade" else f"Change to {title}"
    if change.today_micros and usable_card(snapshot) is not None:
        button += f" and pay {words.money(change.today_micros)}"
    return ChangeWords(_at_once(change, verb, snapshot, words), notes, button)


def _verb(change: Change, snapshot: Snapshot) -> str:
    return "Upgrade" if change.added and snapshot["subscription"]["status"] != "ended" else "Change"


def _at_once(change: Change, verb: str, snapshot: Snapshot, words: Words) -> str:
    if change.added is None:
        return f"{plan_title(change.wanted)} from now on: {price_of(change.wanted, words)}. {NOTHING_TODAY}"
    until = words.day(_term_end(snapshot))
    sides = f"({_sides(change.unused, change.added, words)} until {until})"
    if change.today_micros:
        when = "today" if usable_card(snapshot) is not None else "as soon as you add a card"
        return f"{verb} now: {words.money(change.today_micros)} {when} {sides}."
    if change.due_micros > 0:
        rest = f"{words.money(change.due_micros)} is too little to charge a card and goes on your next invoice"
        return f"{verb} now: nothing to pay today. {rest} {sides}."
    if change.due_micros < 0:
        less = f"{words.money(-change.due_micros)} is taken off your next invoice"
        return f"{verb} now: nothing to pay today. {less} {sides}."
    return f"{verb} now. {NOTHING_TODAY}"


def _sides(unused: Side | None, added: Side, words: Words) -> str:
    """What is given back, with a minus, and what is added: `$20.55 unused Professional + $41.52 Dental`."""
    plus = f"{words.money(added.rest.micros)} {added.plan}"
    if unused is None:
        return plus
    return f"{MINUS}{words.money(unused.rest.micros)} unused {unused.plan} + {plus}"


def _notes(change: Change, snapshot: Snapshot, words: Words) -> tuple[str, ...]:
    notes = []
    if change.ends_ms is not None and change.at_once:
        notes.append(
            f"Your subscription still ends on {words.day(change.ends_ms)}: a change of plan does not undo that."
        )
    elif change.at_once and change.added is not None:
        price = price_of(change.wanted, words)
        notes.append(f"From {words.day(_term_end(snapshot))}: {price}.")
    if change.at_once and change.unused is not None:
        notes.append("What you have used this month stays used: it counts towards the new plan's minutes.")
    if not change.at_once:
        notes.append("Until then nothing changes. You can undo this at any time before that day.")
    return tuple(notes)


def _term_end(snapshot: Snapshot) -> str:
    """The end of the running term, or of the first one, which is that of the period."""
    subscription = snapshot["subscription"]
    return str(subscription.get("ends_at") or subscription["renews_at"] or snapshot["usage"]["period_end"])
