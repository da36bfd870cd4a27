"""The page of usage: its tables, and that they follow the calls. Rules M12 and P18."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.portal.chart import TYPES
from tests.gateway.portal.replayed import publish, words_at
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture
from tests.gateway.reads.filled import Filled
from tests.rules.story import ALL, Story
from tests.rules.subscriber import Subscriber


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
