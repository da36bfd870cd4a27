"""The page of the plan, by clicking: upgrade, comparison, downgrade, cancellation and undo. Rules M7 and M8."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from schemas.money import format_money
from tests.gateway.portal.replayed import publish
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture
from tests.gateway.reads.filled import Filled
from tests.lane.stage import wait_until
from tests.rules.story import ALL, Story
from tests.rules.subscriber import Subscriber

VISA = {"token": "tok_visa", "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}


def wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def days_ago(days: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def subscriber(owners: Owners, account: str, plan: str = "professional", *, days: int = 12) -> str:
    """An account that signed up some days ago, with a card that has paid its first fee."""
    owners.account(account, plan, occurred_at=wire(days_ago(days)), billing_email=f"{account}@example.com")
    owners.send(account, "payment-method-added", payment_method_id="pm1", **VISA)
    if plan != "free":
        wait_until(lambda: bool(receipts(owners, account)), "the receipt of the first fee")
    return account


def receipts(owners: Owners, account: str) -> list[dict[str, Any]]:
    """The receipts of the account, newest first."""
    reply = owners.stage.get(f"/v1/accounts/{account}/invoices?type=receipt-issued")
    assert reply.status == 200, reply.body
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


def snapshot(owners: Owners, account: str) -> dict[str, Any]:
    found: dict[str, Any] = owners.stage.get(f"/v1/accounts/{account}?min_version=0").json()
    return found


@contextmanager
def on_plan(owners: Owners, account: str, **options: Any) -> Iterator[Page]:
    """The page of the plan in a browser of its own."""
    with owners.context(account, **options) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal/plan")
            yield page


def test_m07_an_upgrade_costs_what_was_shown(owners: Owners, tmp_path: Path) -> None:
    account = subscriber(owners, "plan-up")
    with on_plan(owners, account) as page:
        assert_accessible(page)
        picture(page, "plan", tmp_path)
        page.get_by_role("link", name="Change to Dental").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Change to Dental")
        sentence = page.locator(".said").inner_text()
        shown = sentence.removeprefix("Upgrade now: ").partition(" today")[0]
        assert "unused Professional + " in sentence
        assert_accessible(page)
        picture(page, "plan-upgrade", tmp_path)
        page.get_by_role("button", name=f"Upgrade to Dental and pay {shown}").click()
        page.wait_for_url("**/portal/plan*")
        expect(page.locator(".notice.fine")).to_contain_text("Your change of plan is saved.")
        expect(page.locator("#plan-now .card .said")).to_have_text("Dental")
    wait_until(lambda: len(receipts(owners, account)) == 2, "the payment of the upgrade")
    paid = receipts(owners, account)[0]
    assert (paid["purpose"], format_money(paid["amount_micros"])) == ("subscription", shown)
    assert snapshot(owners, account)["plan"] == "dental"


# The form's own id makes both sends one input; an older form of another amount is shown again.
def test_m07_a_form_that_is_sent_twice_is_one_upgrade(owners: Owners) -> None:
    account = subscriber(owners, "plan-twice")
    visitor = owners.visitor(account)
    path = "/portal/plan/change?plan=dental"
    fields = visitor.hidden(path)
    assert visitor.post(path, {**fields, "due_micros": "1"}).status == 422
    assert snapshot(owners, account)["plan"] == "professional"
    for _ in range(2):
        reply = visitor.post(path, fields)
        assert reply.status == 303, reply.body
    wait_until(lambda: len(receipts(owners, account)) == 2, "the payment of the upgrade")
    assert snapshot(owners, account)["pending_payments"] == []


def test_m07_an_upgrade_without_a_card_says_so(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("plan-no-card", "professional", occurred_at=wire(days_ago(12)))
    with on_plan(owners, account) as page:
        page.get_by_role("link", name="Change to Dental").click()
        expect(page.locator(".notice.attention")).to_contain_text("You have no card yet. The plan changes at once")
        assert_accessible(page)
        picture(page, "plan-upgrade-without-card", tmp_path)
        page.get_by_role("button", name="Upgrade to Dental", exact=True).click()
        expect(page.locator("#plan-now .card .said")).to_have_text("Dental")
    assert receipts(owners, account) == []


def test_m07_a_downgrade_waits_and_can_be_taken_back(owners: Owners, tmp_path: Path) -> None:
    account = subscriber(owners, "plan-down", "dental")
    with on_plan(owners, account) as page:
        page.get_by_role("link", name="Change to Professional").click()
        expect(page.locator(".said")).to_contain_text("$49.00 a month. Nothing to pay today.")
        picture(page, "plan-downgrade", tmp_path)
        page.get_by_role("button", name="Change to Professional on").click()
        expect(page.locator("#plan-now .notice.waiting")).to_contain_text("Professional from")
        expect(page.locator("#plan-now .card .said")).to_have_text("Dental")
        assert snapshot(owners, account)["plan_change"]["plan"] == "professional"
        # It is no longer among those that can be chosen.
        expect(page.get_by_role("link", name="Change to Professional")).to_have_count(0)
        assert_accessible(page)
        picture(page, "plan-downgrade-waits", tmp_path)
        page.get_by_role("button", name="Keep Dental").click()
        expect(page.locator(".notice.fine")).to_contain_text("You keep your plan.")
        expect(page.locator("#plan-now .notice.waiting")).to_have_count(0)
    assert "plan_change" not in snapshot(owners, account)


def test_m08_cancel_with_the_survey_and_undo(owners: Owners, tmp_path: Path) -> None:
    account = subscriber(owners, "plan-cancel")
    owners.send(account, "redirect-set", redirect_to="+14155550100")
    with on_plan(owners, account) as page:
        live(page)
        page.get_by_role("link", name="Cancel subscription").click()
        expect(page.locator("main")).to_contain_text("calls are redirected to +1 415 555 0100")
        expect(page.locator("main")).to_contain_text("The paid fee is not refunded.")
        assert_accessible(page)
        picture(page, "plan-cancel", tmp_path)
        page.get_by_label("Something that I need is missing").check()
        page.get_by_label("What could we have done better?").fill("A calendar of our own.\nAnd quieter music.")
        page.get_by_role("button", name="Cancel on").click()
        expect(page.locator(".notice.fine")).to_contain_text("Your subscription is cancelled.")
        expect(page.locator("#plan-now .notice.attention")).to_contain_text("Your subscription ends on")
        # A change of plan does not undo it, so only what helps is offered: dearer plans, and the one without a fee.
        expect(page.get_by_role("link", name="Cancel subscription")).to_have_count(0)
        assert_accessible(page)
        picture(page, "plan-cancelling", tmp_path)
        assert snapshot(owners, account)["subscription"]["status"] == "cancelling"
        page.get_by_role("button", name="Keep my subscription").click()
        expect(page.locator(".notice.fine")).to_contain_text("Your subscription goes on.")
        expect(page.get_by_role("link", name="Cancel subscription")).to_have_count(1)
    assert snapshot(owners, account)["subscription"]["status"] == "active"
    assert reasons(owners, account) == ["Something that I need is missing: A calendar of our own.\nAnd quieter music."]


def reasons(owners: Owners, account: str) -> list[str]:
    """The answers to the survey in the log of inputs."""
    done = owners.stage.command("export", "--inputs", "--account", account)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [line["reason"] for line in lines if line.get("type") == "subscription-cancel-requested"]


# Without script, and without an answer to the survey.
def test_m08_cancel_without_script(owners: Owners, tmp_path: Path) -> None:
    account = subscriber(owners, "plan-plain")
    with owners.context(account, java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto("/portal/plan/cancel")
        picture(page, "plan-cancel-narrow", tmp_path)
        page.get_by_role("button", name="Cancel on").click()
        expect(page.locator("#plan-now .notice.attention")).to_contain_text("Your subscription ends on")
        page.goto("/portal/plan/cancel")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_p11_from_credits_to_a_subscription(owners: Owners, tmp_path: Path) -> None:
    account = subscriber(owners, "plan-begins", "free")
    with on_plan(owners, account) as page:
        expect(page.locator("main")).to_contain_text("25 calls a month, then $3.00 a call")
        expect(page.get_by_role("link", name="Cancel subscription")).to_have_count(0)
        assert_accessible(page)
        picture(page, "plan-credits", tmp_path)
        page.get_by_role("link", name="Change to Professional").click()
        shown = page.locator(".said").inner_text().removeprefix("Upgrade now: ").partition(" today")[0]
        page.get_by_role("button", name=f"Upgrade to Professional and pay {shown}").click()
        expect(page.locator("#plan-now .card .said")).to_have_text("Professional")
    wait_until(lambda: bool(receipts(owners, account)), "the payment of the first fee")
    assert format_money(receipts(owners, account)[0]["amount_micros"]) == shown


def busy_story(account: str, plan: str) -> Story:
    """Two months with calls, until yesterday."""
    story = Subscriber(account, signup=wire(days_ago(70))).subscribes(plan).switches(*ALL).is_granted(400)
    story.adds_card().settles_all()
    for day in range(1, 69):
        story.ticks(wire(days_ago(70 - day))).settles_all()
        for n in range(day % 3):
            story.waits(wire(days_ago(70 - day) + timedelta(hours=10 + n))).call(f"c{day}-{n}", seconds=400)
    return story


def test_c16_the_plans_are_compared_with_last_months_calls(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    story = busy_story("compare-1", "free")
    publish(filled, story)
    with on_plan(drawn, story.account_id) as page:
        page.get_by_role("link", name="Compare plans").click()
        expect(page.locator(".offers > li")).to_have_count(4)
        expect(page.locator(".offers > li").filter(has_text="Your plan")).to_contain_text("Pay as you go")
        expect(page.get_by_text("Lowest cost")).to_have_count(1)
        assert_accessible(page)
        picture(page, "plan-compare", tmp_path)
        page.get_by_role("link", name="Change to Professional").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Change to Professional")
    filled.catch_up()
    with on_plan(drawn, story.account_id, mode="read", viewport={"width": 360, "height": 740}) as page:
        page.goto("/portal/plan/compare")
        expect(page.get_by_role("link", name="Change to")).to_have_count(0)
        assert_accessible(page)
        picture(page, "plan-compare-narrow", tmp_path)


def test_c16_without_calls_the_prices_are_compared(owners: Owners) -> None:
    reply = owners.visitor(owners.account("compare-none")).get("/portal/plan/compare")
    assert b"You have no calls that count yet." in reply.body


def ended(account: str) -> Story:
    story = Subscriber(account, signup=wire(days_ago(70))).subscribes().adds_card().settles_all().cancels()
    return story.ticks(wire(days_ago(20))).settles_all()


def test_m08_after_the_end_a_plan_can_be_chosen_again(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    story = ended("plan-ended")
    publish(filled, story)
    with on_plan(drawn, story.account_id) as page:
        expect(page.locator("#plan-now .notice.stopped")).to_contain_text("Your subscription has ended")
        expect(page.locator("#plan-now .card")).to_contain_text("Last plan")
        page.goto("/portal/handling")
        expect(page.locator("main")).to_contain_text("but you have set no number for them")
        assert "Every call is answered." not in page.locator("main").inner_text()
        page.goto("/portal/plan")
        assert_accessible(page)
        picture(page, "plan-ended", tmp_path)
        page.get_by_role("link", name="Change to Professional").click()
        expect(page.locator(".said")).to_contain_text("Change now: $")


def test_m08_a_credits_plan_that_waits_begins_when_the_subscription_ends(drawn: Owners, filled: Filled) -> None:
    story = Subscriber("plan-follows", signup=wire(days_ago(20))).subscribes().adds_card().settles_all()
    publish(filled, story.changes_plan("free"))
    with on_plan(drawn, story.account_id) as page:
        page.goto("/portal/plan/cancel")
        expect(page.locator("main")).to_contain_text("Pay as you go begins on")
        assert "redirected" not in page.locator("main").inner_text()
    publish(filled, story.cancels())
    with on_plan(drawn, story.account_id) as page:
        expect(page.locator("#plan-now .notice.attention")).to_contain_text("after that, Pay as you go begins")


def test_a_session_that_may_only_read_has_no_forms(owners: Owners) -> None:
    account = subscriber(owners, "plan-read")
    visitor = owners.visitor(account, "read")
    shown = visitor.get("/portal/plan").body.decode()
    assert "Professional" in shown
    for word in ("Change to", "Cancel subscription", "/portal/plan/keep"):
        assert word not in shown
    for path in ("/portal/plan/cancel", "/portal/plan/change?plan=dental"):
        assert visitor.get(path).status == 403
    fields = visitor.hidden("/portal/plan")
    for path in ("change?plan=dental", "keep", "cancel", "resume"):
        assert visitor.post(f"/portal/plan/{path}", fields).status == 403
    assert snapshot(owners, account)["subscription"]["status"] == "active"


@pytest.mark.parametrize("plan", ["", "nothing", "professional"])
def test_a_plan_that_cannot_be_had_has_no_page(owners: Owners, plan: str) -> None:
    visitor = owners.visitor(owners.account(f"plan-none-{plan or 'empty'}", "professional"))
    reply = visitor.get(f"/portal/plan/change?plan={plan}")
    assert reply.status == 404
    assert b"There is no such page" in reply.body
