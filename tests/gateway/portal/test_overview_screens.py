"""The first page on every screen, to read alone, by keyboard, and when what it shows is late or away."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from devkit.redis import DevRedis
from gateway.portal.words import MINUS
from tests.gateway.portal.overview_stories import (
    busy,
    carded,
    crowded,
    open_page,
    text_of,
    write,
)
from tests.gateway.portal.stage import Owners, assert_accessible, picture
from tests.gateway.portal.told import ago, show
from tests.gateway.reads.events import alert, snapshot
from tests.gateway.reads.filled import Filled
from tests.rules.story import usd

PHONE = {"width": 360, "height": 740}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"viewport": PHONE}),
        ("dark", {"color_scheme": "dark"}),
        ("zoom", {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2}),
        ("tiny", {"viewport": {"width": 320, "height": 256}}),
        ("no-script", {"java_script_enabled": False, "viewport": PHONE}),
    ],
)
def test_every_screen_shows_all_of_it(
    drawn: Owners, filled: Filled, name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """A phone, dark, zoomed to 200 %, the least width of WCAG (1280 px at 400 %), and without script."""
    account = show(drawn, filled, crowded(f"screen-{name}"))
    with open_page(drawn, account, **options) as page:
        picture(page, f"overview-{name}", tmp_path)
        for words in ("Auto-refill is paused", "Available credit", "is reserved for 1 call in progress", "redirected"):
            expect(page.locator("main")).to_contain_text(words)
        if options.get("java_script_enabled", True):
            assert_accessible(page)
        else:
            page.get_by_role("link", name="Refresh").click()
            expect(page.locator("h1")).to_have_text("Overview")


def test_a_link_to_read_shows_no_button(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    account = show(drawn, filled, crowded("reader"))
    with open_page(drawn, account, "read") as page:
        picture(page, "overview-read-only", tmp_path)
        expect(page.locator("main")).to_contain_text("Auto-refill is paused")
        assert [one.text_content() for one in page.get_by_role("button").all()] == ["Sign out"]
        for words in ("Add credits", "Use another card"):
            assert page.get_by_text(words, exact=True).count() == 0
        assert_accessible(page)


def test_the_keyboard_reaches_everything(drawn: Owners, filled: Filled) -> None:
    """From the first key on; what has the focus can be seen, also above the bar of a phone."""
    account = show(drawn, filled, crowded("keyboard"))
    with open_page(drawn, account, viewport=PHONE) as page:
        expect(page.locator("h1")).to_be_visible()
        wanted = page.evaluate("[...document.querySelectorAll('a, button, summary, input:not([type=hidden])')].length")
        reached = set[str]()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        for _ in range(wanted + 1):
            seen = page.evaluate(FOCUSED)
            if seen is None:
                break
            assert seen["shown"], seen
            reached.add(seen["name"])
            page.keyboard.press("Tab")
        for name in ("Sign out", "Refresh", "Use another card", "Add credits", "Why?", "All transactions", "Overview"):
            assert name in reached, reached
        page.keyboard.press("Shift+Tab")


# What has the focus, and whether the middle of its first line is neither covered nor outside the window.
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getClientRects()[0];
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return {name: one.textContent.trim(), shown: one.contains(top) || top === one};
}"""


def test_an_account_with_euros_in_another_zone(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    events = [snapshot("overview-euro", 1, **EURO)]
    write(filled, events)
    with open_page(drawn, "overview-euro") as page:
        text = text_of(page)
        assert "€1,234.50" in text
        assert f"Your balance is {MINUS}€2.40" in text
        assert "renews on 14 March 2030" in text
        picture(page, "overview-euro", tmp_path)


EURO = {
    "plan": "no longer there", "plan_version": 1, "currency": "EUR", "time_zone": "Asia/Tokyo",
    "subscription": {"status": "active", "renews_at": "2030-03-13T15:00:00Z", "term_start": None, "fee_micros": None},
    "balance_micros": -2_400_000, "held_micros": 0, "available_micros": 1_234_500_000, "open_calls": 0,
    "features": {"extra_calls": False, "live_agent": False, "appointment_booking": False},
    "auto_refill": {
        "enabled": False, "amount_micros": None, "threshold_micros": 10_000_000, "payment_method_id": None,
        "monthly_limit_micros": None, "spent_this_period_micros": 0, "paused": False, "paused_reason": None,
        "in_flight": False, "next_attempt_at": None,
    },
    "usage": {
        "period_start": "2026-02-13T15:00:00Z", "period_end": "2026-03-13T15:00:00Z", "calls_counted": 0,
        "calls_included": 25, "minutes_used": 0, "minutes_included": 0, "minutes_remaining": 0,
        "projected_minutes": None, "projected_calls": None,
        "cost_by_call_type_micros": {"inbound": 0, "outbound": 0, "web": 0},
    },
    "card_due_micros": 0, "carried_micros": 0, "alert_thresholds_micros": [], "payment_methods": [],
    "phone_numbers": [], "refundable": [], "pending_payments": [],
}  # fmt: skip


def test_figures_that_are_behind_say_so(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    account = show(drawn, filled, busy("stale"))
    filled.catch_up(behind_s=75)
    with open_page(drawn, account) as page:
        expect(page.locator("#staleness")).to_contain_text("newer ones are on their way")
        picture(page, "overview-stale", tmp_path)
        assert_accessible(page)
    filled.catch_up()
    with open_page(drawn, account) as page:
        expect(page.locator("#staleness")).to_be_empty()


def test_views_that_are_built_again_are_not_shown(drawn: Owners, filled: Filled) -> None:
    account = show(drawn, filled, busy("rebuilt"))
    visitor = drawn.visitor(account)
    for partition in range(2):
        filled.begin_again(partition)
    reply = visitor.get("/portal")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert b"Your calls are not affected" in reply.body
    filled.catch_up()
    assert visitor.get("/portal").status == 200


def test_without_redis_the_page_says_that_calls_go_on(
    drawn: Owners, filled: Filled, own_redis: DevRedis, tmp_path: Path
) -> None:
    account = show(drawn, filled, busy("away"))
    with drawn.context(account) as context:
        page, visitor = context.new_page(), drawn.visitor(account)
        hidden = visitor.hidden("/portal")
        with own_redis.frozen():
            answer = page.goto("/portal/more")
            assert answer is not None
            assert answer.status == 503
            expect(page.locator("main")).to_contain_text("Your calls are not affected")
            picture(page, "overview-redis-away", tmp_path)
            assert_accessible(page)
            for reply in (visitor.post("/portal/sign-out", hidden), visitor.get("/portal/events")):
                assert reply.status == 503
        page.get_by_role("link", name="Try again").click()
        page.wait_for_url("**/portal/more")
        expect(page.locator("h1")).to_have_text("More")


def test_only_the_owners_alerts_need_attention(drawn: Owners, filled: Filled) -> None:
    """An alert to the operator is not shown, whatever its type."""
    account = show(drawn, filled, carded("operators").waits(days=19))
    fields = {"purchase_id": "p", "amount_micros": usd(50), "currency": "USD", "reason": "x"}
    at = {"occurred_at": ago(minutes=5)}
    for audience, shown in (("operator", False), ("owner", True)):
        write(filled, [alert(account, 1, "purchase-declined", audience=audience, **fields, **at)])
        with open_page(drawn, account) as page:
            assert ("was not added" in text_of(page)) == shown
