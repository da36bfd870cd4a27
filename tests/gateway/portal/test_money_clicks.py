"""The pages of money, by clicking: a worker, views, fake payments, and the distribution's browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture
from tests.gateway.portal.told import form_of, wait_past_decline
from tests.lane.stage import wait_until

CREDITS, REFILL, CARDS, TRANSACTIONS = "/portal/credits", "/portal/refill", "/portal/cards", "/portal/transactions"
GOOD, POOR, MUST_CONFIRM = "Visa •••• 4242", "Mastercard •••• 9995", "American Express •••• 3184"
TOKENS = {GOOD: "fake-card-paid", POOR: "fake-card-insufficient-funds", MUST_CONFIRM: "fake-card-confirmation"}
Open = Callable[..., Page]


@pytest.fixture
def opened(owners: Owners) -> Iterator[Open]:
    """A page of a new account, by its name; with `script=False` in a browser without script."""
    contexts = []

    def opening(name: str, plan: str = "free", *, script: bool = True, width: int = 1200) -> Page:
        account_id = owners.account(f"click-{name}", plan)
        viewport = {"width": width, "height": 800}
        context = owners.context(account_id, java_script_enabled=script, viewport=viewport)
        contexts.append(context)
        return context.new_page()

    yield opening
    for context in contexts:
        context.close()


def add_card(page: Page, card: str = GOOD) -> None:
    page.goto(CARDS)
    page.get_by_role("link", name="Add a card").click()
    page.get_by_label(card).check()
    page.get_by_role("button", name="Add the card").click()
    expect(page.get_by_text("The card is added.")).to_be_visible()
    expect(page.get_by_text(card, exact=True)).to_be_visible()


def balance(page: Page) -> str:
    return page.locator("#balance .money").first.inner_text()


def snapshot(owners: Owners, name: str) -> dict[str, object]:
    reply = owners.stage.get(f"/v1/accounts/click-{name}")
    found: dict[str, object] = reply.json()
    return found


def test_credits_are_added_with_a_good_card(opened: Open, tmp_path: Path) -> None:
    page = opened("good")
    with Watched(page):
        page.goto(CREDITS)
        expect(page.get_by_text("Add a card first")).to_be_visible()
        page.get_by_role("link", name="Add a card").click()
        page.get_by_label(GOOD).check()
        page.get_by_role("button", name="Add the card").click()
        page.goto(CREDITS)
        live(page)
        page.get_by_role("link", name="$20.00").click()
        live(page)
        page.get_by_role("button", name="Add $20.00").click()
        expect(page.get_by_text("Your bank was asked for the payment.")).to_be_visible()
        # The answer comes without a reload, or even before the page is shown: then nothing is announced.
        expect(page.locator("#balance")).to_contain_text("$20.00")
        expect(page.locator("#pending")).to_have_text("")
        expect(page.locator("#movements")).to_contain_text(f"Credits added · {GOOD}")
        expect(page.locator("#refundable")).to_contain_text("can be refunded until")
        assert_accessible(page)
        picture(page, "credits-added", tmp_path)


def test_a_declined_card_is_shown_with_what_mends_it(owners: Owners, opened: Open, tmp_path: Path) -> None:
    page = opened("poor")
    add_card(page, POOR)
    page.goto(CREDITS)
    live(page)
    page.get_by_role("button", name="Add $50.00").click()
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text(f"{POOR} was declined")
    expect(trouble).to_contain_text("insufficient funds. $50.00 was not added, and nothing was charged.")
    assert balance(page) == "$0.00"
    picture(page, "credits-just-declined", tmp_path)
    trouble.get_by_role("link", name="Use another card").click()
    page.wait_for_url(f"**{CARDS}")
    # Another card, made the default, pays.
    add_card(page, GOOD)
    page.get_by_label(f"Change {GOOD}").click()
    page.get_by_role("button", name="Make default").click()
    expect(page.get_by_text("This card is now the default.")).to_be_visible()
    page.goto(CREDITS)
    live(page)
    wait_past_decline(owners, "click-poor")
    page.get_by_role("button", name="Add $50.00").click()
    expect(page.locator("#balance")).to_contain_text("$50.00")
    expect(page.locator("#trouble")).to_have_text("")


def test_a_card_that_the_bank_wants_confirmed_leads_to_adding_it_again(opened: Open) -> None:
    page = opened("confirm")
    add_card(page, MUST_CONFIRM)
    page.goto(CREDITS)
    live(page)
    page.get_by_role("button", name="Add $50.00").click()
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("the bank wants a confirmation")
    trouble.get_by_role("link", name="Confirm the card").click()
    page.wait_for_url(f"**{CARDS}/add")
    page.get_by_label(MUST_CONFIRM).check()
    page.get_by_role("button", name="Add the card").click()
    expect(page.get_by_text("The card is added.")).to_be_visible()
    # It took the place of the one before.
    assert page.locator(".cards > li").count() == 1


def test_an_amount_of_ones_own_and_its_refusals(opened: Open, tmp_path: Path) -> None:
    page = opened("amount")
    add_card(page)
    page.goto(CREDITS)
    page.get_by_role("link", name="Other amount").click()
    for wrong, message in (
        ("", "Enter an amount such as 50.00."),
        ("ten", "Enter an amount such as 50.00."),
        ("0", "Enter how much to add."),
        ("0.10", "Enter an amount from $0.50 to $999,999.99."),
        ("1.005", "Enter an amount such as 50.00."),
    ):
        page.get_by_label("Amount in USD").fill(wrong)
        page.get_by_role("button", name="Add credits").click()
        expect(page.locator("#amount-error")).to_contain_text(message)
        expect(page.locator("#errors")).to_be_focused()
        expect(page.get_by_label("Amount in USD")).to_have_value(wrong)
    assert_accessible(page)
    picture(page, "credits-refused", tmp_path)
    page.locator("#errors a").click()
    expect(page.get_by_label("Amount in USD")).to_be_focused()
    page.get_by_label("Amount in USD").fill("$12.34")
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_text("Your bank was asked for the payment.")).to_be_visible()
    wait_until(lambda: page.reload() is not None and balance(page) == "$12.34", "the credits")


def test_a_double_click_is_one_purchase(owners: Owners, opened: Open) -> None:
    """In a browser without script, which sends the form twice; and the same form once more, later."""
    page = opened("double", script=False)
    add_card(page)
    page.goto(CREDITS)
    page.get_by_role("button", name="Add $50.00").dblclick(no_wait_after=True)
    expect(page.get_by_text("Your bank was asked for the payment.")).to_be_visible()
    wait_until(lambda: page.goto(CREDITS) is not None and balance(page) == "$50.00", "the credits")
    visitor = owners.visitor("click-double")
    hidden = form_of(visitor.get(CREDITS).body.decode(), f"{CREDITS}/add")
    for _ in range(3):
        assert visitor.post(f"{CREDITS}/add", {**hidden, "amount": "20.00"}).status == 303
    wait_until(lambda: page.goto(CREDITS) is not None and balance(page) == "$70.00", "the credits")
    page.goto(TRANSACTIONS)
    assert page.locator(".movement").count() == 2
    other = visitor.post(f"{CREDITS}/add", {**hidden, "amount": "50.00"})
    assert other.status == 409
    assert b"This form was sent before with other values" in other.body


@pytest.mark.parametrize("feature", ["Extra calls", "Live agent", "Appointment booking"])
def test_each_feature_is_switched(owners: Owners, opened: Open, feature: str) -> None:
    name = f"switch-{feature.split(maxsplit=1)[0].lower()}"
    page = opened(name)
    page.goto(CREDITS)
    live(page)
    row = page.locator(".switches > li").filter(has_text=feature)
    expect(row.locator(".status")).to_have_text("Off")
    row.get_by_role("button", name=f"Turn on {feature}").click()
    expect(page.get_by_text("Saved. It applies from the next call.")).to_be_visible()
    expect(row.locator(".status")).to_have_text("On, waiting for credits")
    others = page.locator(".switches > li").filter(has_not_text=feature).locator(".status")
    expect(others).to_have_text(["Off", "Off"])
    # Credits come in while the page is open.
    owners.send(f"click-{name}", "credits-granted", grant_id="g1", amount_micros=5_000_000, reason="trial")
    expect(row.locator(".status")).to_have_text("On")
    row.get_by_role("button", name=f"Turn off {feature}").click()
    expect(row.locator(".status")).to_have_text("Off")


def test_auto_refill_is_turned_on_managed_and_turned_off(owners: Owners, opened: Open, tmp_path: Path) -> None:
    page = opened("refill")
    add_card(page)
    page.goto(CREDITS)
    page.get_by_role("link", name="Manage").click()
    page.get_by_role("button", name="Turn on auto-refill").click()
    expect(page.locator("#amount-error")).to_contain_text("Enter an amount such as 50.00.")
    page.get_by_label("Amount to add").fill("25")
    page.get_by_label("When the balance is below").fill("5")
    page.get_by_label("Monthly limit").fill("60")
    page.get_by_role("button", name="Turn on auto-refill").click()
    expect(page.get_by_text("Saved. It is on.")).to_be_visible()
    # The balance is below at once.
    expect(page.locator("#status")).to_contain_text("$25.00 added of at most $60.00")
    wait_until(lambda: page.goto(REFILL) is not None and "added" in page.locator("dd").last.inner_text(), "its end")
    assert_accessible(page)
    picture(page, "refill-done", tmp_path)
    page.get_by_label("Amount to add").fill("30.50")
    page.get_by_label("Monthly limit").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#status")).to_contain_text("Adds $30.50 when the balance is below $5.00", use_inner_text=True)
    expect(page.locator("#status")).to_contain_text("without a limit")
    page.get_by_role("button", name="Turn off auto-refill").click()
    expect(page.get_by_text("Credits are no longer added automatically.")).to_be_visible()
    expect(page.get_by_role("button", name="Turn on auto-refill")).to_be_visible()
    refill = snapshot(owners, "refill")["auto_refill"]
    assert isinstance(refill, dict)
    assert (refill["enabled"], refill["amount_micros"], refill["monthly_limit_micros"]) == (False, 30_500_000, None)


def test_a_paused_refill_goes_on_when_it_is_saved_again(opened: Open) -> None:
    page = opened("paused")
    add_card(page, MUST_CONFIRM)
    page.goto(REFILL)
    page.get_by_label("Amount to add").fill("20")
    page.get_by_role("button", name="Turn on auto-refill").click()
    live(page)
    expect(page.locator("#status")).to_contain_text("Auto-refill is paused: ")
    expect(page.get_by_role("link", name="Confirm the card")).to_be_visible()
    add_card(page, GOOD)
    page.goto(REFILL)
    page.get_by_label("Payment method").select_option(label=GOOD)
    page.get_by_role("button", name="Save and resume").click()
    live(page)
    expect(page.locator("#status")).to_contain_text("Last time")
    expect(page.locator("#status")).to_contain_text(f"Paid with {GOOD}", use_inner_text=True)
    page.goto(CREDITS)
    live(page)
    expect(page.locator("#balance")).to_contain_text("$20.00")


def test_cards_are_added_made_the_default_and_removed(opened: Open) -> None:
    """On a phone, whose menu is at the edge of the screen."""
    page = opened("cards", width=360)
    add_card(page, GOOD)
    add_card(page, POOR)
    cards = page.locator(".cards > li")
    expect(cards).to_have_count(2)
    expect(cards.filter(has_text=GOOD)).to_contain_text("Default")
    page.get_by_label(f"Change {POOR}").click()
    page.get_by_role("button", name="Make default").click()
    expect(cards.filter(has_text=POOR)).to_contain_text("Default")
    page.get_by_label(f"Change {POOR}").click()
    page.get_by_role("link", name="Remove").click()
    expect(page.get_by_text(f"{GOOD} becomes your default card.")).to_be_visible()
    page.get_by_role("link", name="Keep the card").click()
    page.get_by_label(f"Change {POOR}").click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name=f"Remove {POOR}").click()
    expect(page.get_by_text("The card is removed.")).to_be_visible()
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Default")


def test_the_only_card_of_a_subscription_is_protected(owners: Owners, opened: Open) -> None:
    """Also when it was no longer the only one as the page was opened."""
    page = opened("only", "professional")
    add_card(page, GOOD)
    page.get_by_label(f"Change {GOOD}").click()
    page.get_by_role("link", name="Remove").click()
    expect(page.get_by_text("is your only card, and your subscription is paid with it.")).to_be_visible()
    assert page.locator("main form").count() == 0
    add_card(page, POOR)
    page.goto(f"{CARDS}/remove?payment_method_id={TOKENS[GOOD]}")
    owners.send("click-only", "payment-method-removed", payment_method_id=TOKENS[POOR])
    page.get_by_role("button", name=f"Remove {GOOD}").click()
    expect(page.locator("#errors")).to_contain_text("This is your only card, and your subscription needs one.")


def test_why_a_charge_is_what_it_is(owners: Owners, opened: Open, tmp_path: Path) -> None:
    page = opened("why")
    account_id = "click-why"
    owners.send(account_id, "credits-granted", grant_id="g1", amount_micros=20_000_000, reason="trial")
    owners.send(account_id, "feature-set", feature="live_agent", enabled=True)
    started = owners.send(account_id, "call-started", call_id="c/1", direction="inbound", **{"from": "+14155550123"})
    assert started["outcome"] == "accepted"
    now = str(started["facts"][0]["occurred_at"])
    ended = owners.send(
        *(account_id, "call-ended"), call_id="c/1", direction="inbound", started_at=now, answered_at=now,
        outcome="completed", features=["live_agent"],
    )  # fmt: skip
    assert ended["outcome"] == "accepted"
    page.goto(TRANSACTIONS)
    row = page.locator(".movements > li").first
    wait_until(lambda: page.reload() is not None and row.locator("details").count() == 1, "the charge")
    expect(row).to_contain_text("Call from +1 415 555 0123")
    sentence = row.get_by_text("This call cost $3.00: it was call 1 of the period")
    expect(sentence).to_be_hidden()
    row.get_by_text("Why?").click()
    expect(sentence).to_be_visible()
    expect(row.locator("tr").last).to_contain_text("$3.00")
    assert_accessible(page)
    picture(page, "why-open", tmp_path)
