"""Usage in words and as a chart, against what the engine itself says of the same histories. Rules M12 and P18."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise

import pytest

from gateway.portal.call_rows import length_of, phone, row_of, unbroken
from gateway.portal.charged_calls import of_period
from gateway.portal.chart import HEIGHT, TYPES, Day, by_day, chart_of, nice_top
from gateway.portal.periods import Period, period_now
from gateway.portal.usage import bar_of, days_of, projected_sentence, used_sentence
from gateway.portal.words import MINUS
from schemas.instant import minutes, parse_instant
from tests.gateway.portal.replayed import calls_of, charged_of, words_at
from tests.rules.story import ALL, BOTH, Story, opened
from tests.rules.subscriber import APRIL, Subscriber, paying


@pytest.mark.parametrize(
    ("used", "included", "projected", "sentence", "leads"),
    [
        (7, 25, 31, "7 of 25 included calls used.", "At this pace you will use 31 calls by 1 February."),
        (25, 25, 40, "25 of 25 included calls used.", "At this pace you will use 40 calls by 1 February."),
        (31, 25, None, "All 25 included calls used, and 6 beyond them.", "There is no projection for this month yet."),
        (1, 0, None, "1 call used. None are included.", "There is no projection for this month yet."),
    ],
)
def test_m12_calls_in_words(used: int, included: int, projected: int | None, sentence: str, leads: str) -> None:
    story = opened()
    usage = story.snapshot()["usage"] | {
        "calls_counted": used,
        "calls_included": included,
        "projected_calls": projected,
    }
    words = words_at(story)
    assert used_sentence(usage, words, by_minutes=False) == sentence
    assert projected_sentence(usage, words, by_minutes=False).startswith(leads)


def test_m12_minutes_in_words() -> None:
    story = paying(signup=APRIL).uses(42).waits("2026-04-16T00:00:00Z").ticks("2026-04-16T00:00:00Z")
    usage, words = story.snapshot()["usage"], words_at(story)
    assert used_sentence(usage, words, by_minutes=True) == "42 of 100 included minutes used, 58 remaining."
    assert projected_sentence(usage, words, by_minutes=True) == "At this pace you will use 84 minutes by 1 May."
    assert bar_of(usage, by_minutes=True) == {"used": 420, "projected": 840, "mark": 1_000}
    beyond = story.uses(70).snapshot()["usage"]
    assert used_sentence(beyond, words, by_minutes=True) == "All 100 included minutes used, and 12 beyond them."


def test_the_bar_of_nothing_is_empty() -> None:
    usage = {"calls_counted": 0, "projected_calls": None, "calls_included": 0}
    assert bar_of(usage, by_minutes=False) == {"used": 0, "projected": 0, "mark": 0}


def many_calls(story: Story) -> Story:
    """Calls on several days, answered and not, real and not, one of them corrected."""
    for day in range(1, 30):
        story.waits(f"2026-04-{day:02}T23:30:00Z")
        direction = TYPES[day % 3]
        story.call(f"c{day}", seconds=61 * day, direction=direction, used=BOTH if day % 7 == 0 else None)
        if day % 5 == 0:
            story.call(f"u{day}", answered=False).call(f"s{day}", real=False)
    return story.reclassifies("c7", real=False)


# The days add up to what the engine itself says of the period, by type of call as well.
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("by_minutes", [False, True])
def test_p18_the_days_add_up_to_the_usage_of_the_snapshot(zone: str, by_minutes: bool) -> None:
    if by_minutes:
        story = many_calls(paying(signup=APRIL, time_zone=zone))
    else:
        story = many_calls(Subscriber(signup=APRIL).opens("free", time_zone=zone).switches(*ALL).is_granted(200))
    snapshot = story.snapshot()
    period = period_now(snapshot, parse_instant(story.now))
    days = days_of(of_period(charged_of(story), period), period, zone, by_minutes=by_minutes)
    total = sum(day.total for day in days)
    usage = snapshot["usage"]
    assert (minutes(total) if by_minutes else total) == usage["minutes_used" if by_minutes else "calls_counted"] > 0
    assert len(days) == (period.end_ms - period.start_ms) // 86_400_000
    # 23:30 UTC of the 2nd is the 3rd in Tokyo.
    used_on = {day.on for day in days if day.total}
    assert (date(2026, 4, 30) in used_on) == (zone == "Asia/Tokyo")


def test_the_bars_stand_on_each_other() -> None:
    days = (
        Day(date(2026, 4, 1), {"inbound": 3, "outbound": 2, "web": 5}),
        Day(date(2026, 4, 2), {"inbound": 0, "outbound": 0, "web": 1}),
        Day(date(2026, 4, 3), dict.fromkeys(TYPES, 0)),
    )
    chart = chart_of(days, minutes=False)
    assert chart.most == 10
    first = [bar for bar in chart.bars if bar.left < chart.width // 3]
    assert [bar.type for bar in first] == list(TYPES)
    assert first[0].top + first[0].height == HEIGHT
    for below, above in pairwise(first):
        assert above.top + above.height == below.top
    assert first[-1].top == 0
    assert [bar.height for bar in first] == [HEIGHT * n // 10 for n in (3, 2, 5)]
    assert len(chart.bars) == 4


def test_the_least_of_minutes_can_be_seen() -> None:
    days = (Day(date(2026, 4, 1), {"inbound": 60_000 * 5_000, "outbound": 1, "web": 0}),)
    heights = {bar.type: bar.height for bar in chart_of(days, minutes=True).bars}
    assert heights == {"inbound": HEIGHT // 2, "outbound": 1}


def test_a_chart_of_nothing_has_no_bars() -> None:
    assert chart_of(by_day([], Period(0, 86_400_000), "UTC"), minutes=False).is_empty


@pytest.mark.parametrize(("most", "top"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (40, 40), (41, 100), (101, 200)])
def test_the_scale_ends_at_a_round_number(most: int, top: int) -> None:
    assert nice_top(most) == top


@pytest.mark.parametrize(
    ("millis", "text"),
    [(0, "0 s"), (40_500, "40 s"), (60_000, "1 min"), (200_000, "3 min 20 s"), (3_600_000, "60 min")],
)
def test_how_long_a_call_was(millis: int, text: str) -> None:
    assert length_of(millis) == text


@pytest.mark.parametrize(
    ("number", "shown"), [("+14155550100", "+1 415 555 0100"), ("+442071234567", "+442071234567"), ("1234", "1234")]
)
def test_numbers_in_groups(number: str, shown: str) -> None:
    assert phone(number) == shown


@pytest.mark.parametrize(
    ("tell", "title", "outcome", "length", "net"),
    [
        (lambda s: s.starts("c", **{"from": "+14155550100"}), "Call from +1 415 555 0100", "In progress", "", None),
        (lambda s: s.call("c", seconds=90, direction="web"), "Web call", "Answered", "1 min 30 s", 0),
        (lambda s: s.starts("c", direction="outbound", to="+442071234567"), "Call to +442071234567",
         "In progress", "", None),
        (lambda s: s.call("c", answered=False), "Inbound call", "Not answered", "", 0),
        (lambda s: s.call("c", real=False), "Inbound call", "Not a real call: not counted", "1 min", 0),
        (lambda s: s.call("c", used=BOTH), "Inbound call", "Answered", "1 min", 6_000_000),
        (lambda s: s.call("c", used=BOTH).reclassifies("c", real=False), "Inbound call",
         "Not a real call: not counted", "1 min", 0),
        (lambda s: s.calls(25).switches("extra_calls", on=False).call("c"), "Inbound call",
         "Redirected: extra calls are off", "1 min", 0),
    ],
    ids=["open", "web", "outbound", "unanswered", "not real", "features", "corrected", "redirected"],
)  # fmt: skip
def test_a_call_in_words(
    tell: Callable[[Story], Story], title: str, outcome: str, length: str, net: int | None
) -> None:
    row = row_of(calls_of(tell(opened(*ALL, credit=50)))[-1])
    assert (row.title, row.outcome, row.length, row.net_micros) == (title, outcome, length, net)


def test_g06_the_rows_cost_what_charges_and_adjustments_come_to() -> None:
    story = many_calls(opened(*ALL, credit=50))
    rows = [row_of(call) for call in calls_of(story)]
    assert {row.call_id: row.net_micros for row in rows if row.net_micros is not None} == story.costs()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Call from +1 415 555 0100 at 10", "Call from [+1 415 555 0100] at 10"),
        ("Visa •••• 4242 was declined on 3 March (x).", "[Visa •••• 4242] was declined on [3 March] (x)."),
        ("until 14 March 2027, 10:42.", "until [14 March 2027, 10:42]."),
        (f"({MINUS}$20.55 unused Dental + $41.52)", f"([{MINUS}$20.55] unused Dental + $41.52)"),
        (f"{MINUS}1,234.50 EUR, <b>", f"[{MINUS}1,234.50] EUR, &lt;b&gt;"),
    ],
)
def test_what_stays_on_one_line_keeps_its_characters(text: str, html: str) -> None:
    assert unbroken(text) == html.replace("[", '<span class="whole">').replace("]", "</span>")
