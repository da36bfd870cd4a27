"""The page of usage: its words, its chart, its tables, and that they follow the calls. Rules M12 and P18."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.portal.call_rows import length_of, phone, row_of
from gateway.portal.charged_calls import of_period
from gateway.portal.chart import HEIGHT, TYPES, Day, by_day, chart_of, nice_top
from gateway.portal.periods import Period, period_now
from gateway.portal.usage import bar_of, days_of, projected_sentence, used_sentence
from schemas.instant import minutes, parse_instant
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture
from tests.gateway.portal.replayed import calls_of, charged_of, publish, words_at
from tests.gateway.reads.filled import Filled
from tests.rules.story import ALL, BOTH, Story, opened
from tests.rules.subscriber import APRIL, Subscriber, paying


@pytest.mark.parametrize(
    ("used", "included", "projected", "sentence", "leads"),
    [
        (7, 25, 31, "7 of 25 included calls used.", "At this pace you will use 31 calls by 1 February."),
        (25, 25, 40, "25 of 25 included calls used.", "At this pace you will use 40 calls by 1 February."),
        (31, 25, None, "All 25 included calls used, and 6 beyond them.", "It is too early in the period"),
        (1, 0, None, "1 call used. None are included.", "It is too early in the period"),
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
    assert used_sentence(usage, words, by_minutes=True) == "42 of 100 included minutes used; 58 left."
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
        (lambda s: s.starts("c", direction="outbound", to="+442071234567"), "Outbound call to +442071234567",
         "In progress", "", None),
        (lambda s: s.call("c", answered=False), "Call", "Not answered", "", 0),
        (lambda s: s.call("c", real=False), "Call", "Not a real call: not counted", "1 min", 0),
        (lambda s: s.call("c", used=BOTH), "Call", "Answered", "1 min", 6_000_000),
        (lambda s: s.call("c", used=BOTH).reclassifies("c", real=False), "Call", "Not a real call: not counted",
         "1 min", 0),
        (lambda s: s.calls(25).switches("extra_calls", on=False).call("c"), "Call",
         "Redirected: beyond the included calls", "1 min", 0),
    ],
    ids=["open", "web", "outbound", "unanswered", "not real", "features", "corrected", "redirected"],
)  # fmt: skip
def test_a_call_in_words(
    tell: Callable[[Story], Story], title: str, outcome: str, length: str, net: int | None
) -> None:
    row = row_of(calls_of(tell(opened(*ALL, credit=50)))[-1])
    assert (row.title, row.outcome, row.length, row.net_micros) == (title, outcome, length, net)


# In the browser.


def ago(**by: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**by)


def wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def calls_in(page: Page) -> str:
    return page.locator("#usage-now .said").inner_text()


def takes_calls(owners: Owners, account: str, *calls: tuple[str, str], seconds: int = 90) -> None:
    """Calls that were answered just now, by the API."""
    ends = [
        {
            "type": "call-ended",
            "id": f"end-{number}-{direction}",
            "account_id": account,
            "call_id": call_id,
            "direction": direction,
            "started_at": wire(ago(seconds=seconds)),
            "answered_at": wire(ago(seconds=seconds)),
            "occurred_at": wire(ago()),
            "outcome": "completed",
        }
        for number, (call_id, direction) in enumerate(calls)
    ]
    reply = owners.stage.post("/v1/events", ends)
    assert reply.status == 202, reply.body
    assert reply.json()["rejected"] == []


def test_m12_the_page_follows_the_calls(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("usage-live")
    with owners.context(account) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal")
            page.get_by_role("link", name="Usage").first.click()
            live(page)
            assert calls_in(page) == "0 of 25 included calls used."
            expect(page.locator("#usage-days")).to_contain_text("Each day gets a bar here")
            assert_accessible(page)
            picture(page, "usage-new", tmp_path)
            takes_calls(owners, account, ("one", "inbound"), ("two", "web"))
            expect(page.locator("#usage-now .said")).to_have_text("2 of 25 included calls used.")
            expect(page.locator("#announcements")).to_have_text("2 of 25 included calls used.")
            expect(page.locator(".calls tbody tr")).to_have_count(2)
            page.get_by_text("Show as table").click()
            expect(page.locator("#usage-table")).to_contain_text("Inbound")
            takes_calls(owners, account, ("three", "outbound"))
            expect(page.locator(".calls tbody tr")).to_have_count(3)
            # A part that has the focus waits. What was opened stays open.
            page.get_by_role("heading", name="Usage").click()
            expect(page.locator("#usage-table")).to_contain_text("3")
            expect(page.locator("#usage-table table")).to_be_visible()
            assert table_of(page) == [["1", "1", "1", "3"]]
            assert_accessible(page)


def table_of(page: Page) -> list[list[str]]:
    """The figures of the table of days."""
    rows = page.locator("#usage-table tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in rows]


def test_the_csv_is_that_of_the_list(owners: Owners) -> None:
    account = owners.account("usage-csv")
    takes_calls(owners, account, ("=1+1", "inbound"), ("two", "web"))
    with owners.context(account) as context:
        page = context.new_page()
        page.goto("/portal/usage")
        page.get_by_role("link", name="Refresh").click()
        expect(page.locator(".calls tbody tr")).to_have_count(2)
        with page.expect_download() as download:
            page.get_by_role("link", name="Calls of this period as CSV").click()
        content = Path(download.value.path()).read_bytes()
    listed = owners.stage.get(f"/v1/accounts/{account}/calls", headers={"Accept": "text/csv"})
    assert content == listed.body
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert (rows[0][1], rows[1][1] if "=" in rows[1][1] else rows[2][1]) == ("call_id", "'=1+1")
    assert download.value.suggested_filename.startswith("calls-20")


def drawn_month(plan: str, account: str, zone: str = "UTC") -> Story:
    """A month and a half until yesterday, with calls of every type."""
    start = ago(days=45).replace(hour=0, minute=0, second=0)
    story = Subscriber(account, signup=wire(start)).subscribes(plan, time_zone=zone).switches(*ALL)
    story.is_granted(300).adds_card().settles_all()
    for day in range(1, 45):
        midnight = start + timedelta(days=day)
        story.ticks(wire(midnight)).settles_all()
        for n in range(day % 4):
            story.waits(wire(midnight + timedelta(hours=14 + n)))
            direction = TYPES[(day + n) % 3]
            story.starts(f"c{day}-{n}", direction=direction, **{"from": "+14155550100"})
            story.ends(f"c{day}-{n}", seconds=60 * (2 + n), direction=direction, answered=day % 9 != 0)
    return story


def assert_shows(page: Page, story: Story, *, by_minutes: bool) -> None:
    """The table of days adds up to the engine's own usage, and the costs are the engine's."""
    usage = story.snapshot()["usage"]
    totals = [float(row[-1].replace(",", "")) for row in table_of(page)]
    assert sum(totals) == usage["minutes_used" if by_minutes else "calls_counted"] > 0
    costs = sum(usage["cost_by_call_type_micros"].values())
    shown = page.locator("#usage-costs tr.total td").inner_text()
    assert shown == words_at(story).money(costs)


@pytest.mark.parametrize("plan", ["free", "professional"])
def test_m12_a_busy_month(drawn: Owners, filled: Filled, tmp_path: Path, plan: str) -> None:
    story = drawn_month(plan, f"usage-{plan}")
    publish(filled, story)
    with drawn.context(story.account_id) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal/usage")
            page.get_by_text("Show as table").click()
            assert_shows(page, story, by_minutes=plan != "free")
            assert_accessible(page)
            picture(page, f"usage-{plan}", tmp_path)
            assert_older_calls(page)
    for name, options in looks().items():
        filled.catch_up()
        with drawn.context(story.account_id, mode="read", **options) as context:
            page = context.new_page()
            page.goto("/portal/usage")
            assert_accessible(page)
            picture(page, f"usage-{plan}-{name}", tmp_path)


def looks() -> dict[str, dict[str, Any]]:
    """A narrow screen, and dark; half as wide is what a zoom of 200 % leaves."""
    narrow, half = {"width": 360, "height": 740}, {"width": 640, "height": 400}
    return {
        "narrow": {"viewport": narrow},
        "dark": {"color_scheme": "dark", "viewport": narrow, "has_touch": True},
        "zoomed": {"viewport": half, "device_scale_factor": 2},
    }


def assert_older_calls(page: Page) -> None:
    """Every call is on one of the pages, once."""
    seen: Counter[str] = Counter(page.locator(".calls tbody tr th").all_inner_texts())
    while page.get_by_role("link", name="Older calls").count():
        page.get_by_role("link", name="Older calls").click()
        seen.update(page.locator(".calls tbody tr th").all_inner_texts())
    assert sum(seen.values()) == len(seen) == sum(day % 4 for day in range(1, 45))
    page.get_by_role("link", name="Newest calls").click()
    expect(page.locator(".calls tbody tr")).to_have_count(25)


@pytest.mark.parametrize("before", ["x", "", "AAAA"])
def test_a_cursor_of_elsewhere_is_refused(owners: Owners, before: str) -> None:
    visitor = owners.visitor(owners.account(f"usage-cursor-{len(before)}"))
    reply = visitor.get(f"/portal/usage?before={before}")
    assert reply.status == 400
    assert b"This address is not complete" in reply.body


def test_without_script_the_page_says_the_same(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    story = drawn_month("free", "usage-plain")
    publish(filled, story)
    # The session is opened without script as well.
    with drawn.context(story.account_id, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/portal/usage")
        page.get_by_text("Show as table").click()
        assert_shows(page, story, by_minutes=False)
        picture(page, "usage-without-script", tmp_path)


def test_g06_the_rows_cost_what_charges_and_adjustments_come_to() -> None:
    story = many_calls(opened(*ALL, credit=50))
    rows = [row_of(call) for call in calls_of(story)]
    assert {row.call_id: row.net_micros for row in rows if row.net_micros is not None} == story.costs()
