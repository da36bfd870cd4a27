"""What the page shows of a plan change before it is made is what the engine then does. Rules M7, M8, P11, G3 and B10.

Every row makes the change in the engine's own replay and compares: the amount with the payment that is then requested,
the sides with the lines of the invoice, the time with the snapshot afterwards.
"""

from collections.abc import Callable

import pytest

from gateway.portal.plan_change import Change, change_to, offered
from gateway.portal.plan_words import words_of
from gateway.portal.words import MINUS
from schemas.instant import format_instant, parse_instant
from tests.gateway.portal.replayed import words_at
from tests.rules.story import also_in, usd
from tests.rules.subscriber import APRIL, MARCH, Subscriber, minutes_plans, paying, subscriber

PRICES = {"cheap": "10", "middle": "50", "dear": "100.01", "same": "50", "penny": "50.30", "gift": "0"}
PRICED = minutes_plans(
    1, **{name: {"monthly_price_micros": usd(price), "display_name": name.title()} for name, price in PRICES.items()}
)
NOW = "2026-04-16T10:00:00Z"
TOKYO = "Asia/Tokyo"


def on(plan: str = "middle", **fields: str) -> Subscriber:
    return paying(plan=plan, catalogue=PRICED, signup=APRIL, **fields)


def on_credits(**fields: str) -> Subscriber:
    return Subscriber(catalogue=PRICED, signup=APRIL).opens("free", **fields).adds_card()


def shown(story: Subscriber, plan: str) -> Change | None:
    """The change as the page shows it now."""
    return change_to(story.snapshot(), plan, story.catalogue, parse_instant(story.now))


def ended() -> Subscriber:
    return on().cancels().ticks("2026-05-02T00:00:00Z").waits("2026-05-11T10:00:00Z")


@pytest.mark.parametrize("wanted", ["cheap", "middle", "dear", "same", "penny", "gift", "free", "dental"])
@pytest.mark.parametrize(
    "begin",
    [
        lambda: on().waits(NOW),
        lambda: on().waits("2026-04-01T00:00:00Z"),
        lambda: on().ticks("2026-04-30T23:59:59Z"),
        # The day in the account's zone is the next one already.
        lambda: on(time_zone=TOKYO).waits("2026-04-16T16:00:00Z"),
        lambda: on("dear").waits(NOW),
        lambda: on("gift").waits(NOW),
        lambda: on_credits().waits(NOW),
        # Its snapshot is from two periods before: nothing has happened since.
        lambda: on_credits().waits("2026-06-20T10:00:00Z"),
        lambda: on_credits(time_zone=TOKYO).waits("2026-06-20T10:00:00Z"),
        lambda: on().changes_plan("cheap").waits(NOW),
        lambda: on().cancels().waits(NOW),
        ended,
        lambda: subscriber(plan="middle", catalogue=PRICED, signup=APRIL).waits(NOW),
        # No period is billed yet.
        lambda: on(billing_from="2026-06-01T00:00:00Z").waits(NOW),
    ],
    ids=[
        *("in the middle", "on the first day", "on the last day", "in Tokyo", "dear", "gift", "credits"),
        *("long idle", "long idle in Tokyo", "one waits", "cancelled", "ended", "without a card", "not billed yet"),
    ],
)
def test_m07_p11_what_is_shown_is_what_happens(begin: Callable[[], Subscriber], wanted: str) -> None:
    story = begin()
    before, change = story.snapshot(), shown(story, wanted)
    if change is None:
        # Not offered: in force already, or it would only be stored for a subscription that ends.
        assert wanted == before["plan"] or before["subscription"]["status"] == "cancelling"
        return
    has_card = bool(before["payment_methods"])
    story.changes_plan(wanted)
    asked = [micros for purpose, micros in story.asks() if purpose == "subscription"]
    assert asked == ([change.today_micros] if change.today_micros and has_card else []), story.asks()
    after = story.snapshot()
    if change.at_once:
        assert after["plan"] == wanted
    else:
        waiting = {"plan": wanted, "at": format_instant(change.at_ms)}
        assert (after["plan"], after["plan_change"]) == (before["plan"], waiting)
        assert change.due_micros == 0
    assert prorations(story) == [
        (-1, change.unused.rest.micros) if change.unused else None,
        (1, change.added.rest.micros) if change.added else None,
    ] or is_nothing(change), prorations(story)


def prorations(story: Subscriber) -> list[tuple[int, int] | None]:
    """Sign and amount of the proration lines on the invoice of the period, None for a side that has none."""
    later = Subscriber(story.account_id, story.catalogue, APRIL)
    later.inputs, later.now = [*story.inputs], story.now
    later.ticks("2026-07-02T00:00:00Z")
    lines = [line for invoice in later.invoices() for line in invoice["lines"] if line["kind"] == "proration"]
    taken = [(-1, -line["amount_micros"]) for line in lines if "unused part" in line["description"]]
    added = [(1, line["amount_micros"]) for line in lines if "rest of the term" in line["description"]]
    assert len(taken) <= 1, taken
    assert len(added) <= 1, added
    return [taken[0] if taken else None, added[0] if added else None]


def is_nothing(change: Change) -> bool:
    """Two sides that cancel out leave no line, and a side of 0 neither. Rule M7."""
    sides = [side.rest.micros for side in (change.unused, change.added) if side is not None]
    return change.due_micros == 0 or 0 in sides


# 15 of 30 days are left of April on the 16th; $50 and $100.01 are $25.00 and $50.005, rounded half up.
def test_m07_the_sentence_of_an_upgrade_has_both_sides() -> None:
    story = on().waits(NOW)
    change = shown(story, "dear")
    assert change is not None
    said = words_of(change, story.snapshot(), words_at(story))
    assert said.sentence == f"Upgrade now: $25.01 today ({MINUS}$25.00 unused Middle + $50.01 Dear until 1 May)."
    assert said.button == "Upgrade to Dear and pay $25.01"
    assert "From 1 May: $100.01 a month." in said.notes


@pytest.mark.parametrize(
    ("begin", "wanted", "sentence", "button"),
    [
        (on, "cheap", "Cheap from 1 May: $10.00 a month. Nothing to pay today.", "Change to Cheap on 1 May"),
        (
            on,
            "free",
            "Pay as you go from 1 May: no monthly fee. Nothing to pay today.",
            "Change to Pay as you go on 1 May",
        ),
        (on, "same", "Upgrade now. Nothing to pay today.", "Upgrade to Same"),
        # $0.15 is below the least that a card can be charged.
        (
            on,
            "penny",
            (
                "Upgrade now: nothing to pay today. $0.15 is too little to charge a card and goes on your next invoice"
                f" ({MINUS}$25.00 unused Middle + $25.15 Penny until 1 May)."
            ),
            "Upgrade to Penny",
        ),
        (
            on_credits,
            "middle",
            "Upgrade now: $25.00 today ($25.00 Middle until 1 May).",
            "Upgrade to Middle and pay $25.00",
        ),
        (
            lambda: subscriber(plan="middle", catalogue=PRICED, signup=APRIL),
            "dear",
            f"Upgrade now: $25.01 as soon as you add a card ({MINUS}$25.00 unused Middle + $50.01 Dear until 1 May).",
            "Upgrade to Dear",
        ),
        (
            lambda: on(billing_from="2026-06-01T00:00:00Z"),
            "dear",
            "Dear from now on: $100.01 a month. Nothing to pay today.",
            "Change to Dear",
        ),
    ],
)
def test_m07_the_words_of_a_change(begin: Callable[[], Subscriber], wanted: str, sentence: str, button: str) -> None:
    story = begin().waits(NOW)
    change = shown(story, wanted)
    assert change is not None
    said = words_of(change, story.snapshot(), words_at(story))
    assert (said.sentence, said.button) == (sentence, button)


def test_m08_an_upgrade_of_a_cancelled_subscription_says_that_it_still_ends() -> None:
    story = on().cancels().waits(NOW)
    change = shown(story, "dear")
    assert change is not None
    notes = words_of(change, story.snapshot(), words_at(story)).notes
    assert notes[0] == "Your subscription still ends on 1 May: a change of plan does not undo that."


def test_m07_after_the_end_the_same_plan_can_start_again() -> None:
    story = ended()
    change = shown(story, "middle")
    assert change is not None
    # 21 of May's 31 days.
    assert change.today_micros == usd("33.87")
    said = words_of(change, story.snapshot(), words_at(story))
    assert said.sentence == "Change now: $33.87 today ($33.87 Middle until 1 June)."


# G12 and M13: other currencies and a yearly interval are not offered, except to who has it.
def test_m13_g12_only_what_can_be_had_is_offered() -> None:
    yearly = minutes_plans(year={"monthly_price_micros": usd(40), "interval": "year"})
    monthly = paying(catalogue=yearly, signup=MARCH).snapshot()
    assert "year" not in offered(monthly, yearly)
    account = paying(plan="year", catalogue=yearly, signup=MARCH).snapshot()
    assert list(offered(account, yearly)) == ["free", "year", "professional", "dental", "real_estate"]
    euros = also_in("EUR", catalogue=yearly)
    only_dollars = minutes_plans(other={})
    assert "other" not in offered(Subscriber(catalogue=euros).opens("free", currency="EUR").snapshot(), only_dollars)
    assert set(offered(Subscriber(catalogue=euros).opens("free", currency="EUR").snapshot(), euros)) == {
        *("free", "professional", "dental", "real_estate"),
    }


# The minutes plan is changed at the renewal when its interval is another one.
def test_m07_a_yearly_account_changes_to_a_monthly_plan_at_its_renewal() -> None:
    yearly = minutes_plans(year={"monthly_price_micros": usd(40), "interval": "year"})
    story = paying(plan="year", catalogue=yearly, signup=MARCH).waits("2026-09-01T00:00:00Z")
    change = shown(story, "dental")
    assert change is not None
    assert (change.at_once, format_instant(change.at_ms)) == (False, "2027-03-01T00:00:00Z")
    assert story.changes_plan("dental").snapshot()["plan_change"]["at"] == "2027-03-01T00:00:00Z"
