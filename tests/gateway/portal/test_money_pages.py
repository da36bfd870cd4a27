"""The pages of money in every state: what they say, their pictures, and that everybody can use them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.portal.words import MINUS
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, assert_fits, picture
from tests.gateway.portal.told import ago, form_of, show
from tests.gateway.reads.filled import Filled
from tests.rules.story import ALL, Story, usd

CREDITS, REFILL, CARDS, TRANSACTIONS = "/portal/credits", "/portal/refill", "/portal/cards", "/portal/transactions"
CALLS = "/portal/calls"
CONFIRM = "authentication_required"


def free(name: str, *features: str) -> Story:
    return Story(f"money-{name}", signup=ago(days=20)).opens().ticks().switches(*features)


def carded(name: str, *features: str) -> Story:
    return free(name, *features).adds_card()


def rich(name: str) -> Story:
    """Purchases, calls that cost something, a correction: $20 and $50 were added, a call is in progress."""
    story = carded(name, *ALL).buys("p1", 20).pays().calls(23, "included-").waits(hours=5)
    story.starts("caller", **{"from": "+14155550123"}).ends("caller", seconds=185, used=["live_agent"])
    story.waits(hours=2).calls(2, "more-").buys("p2", 50).pays().adds_card("pm2", brand="mastercard", last4="4444")
    story.call("extra", used=["live_agent", "appointment_booking"]).waits(minutes=9).call("unreal")
    return story.reclassifies("unreal", real=False).starts("now", **{"from": "+14155550177"})


def subscribed(name: str) -> Story:
    return Story(f"money-{name}", signup=ago(days=20)).opens("professional").ticks().adds_card().pays()


def overage(name: str) -> Story:
    """$0.10 in the wallet, then a call that the wallet and the card share."""
    story = subscribed(name).is_granted("0.10").call("long", seconds=99 * 60).waits(hours=2)
    return story.call("short", seconds=150)


def disputed(name: str) -> Story:
    story = carded(name).refills(20).waits(days=17).is_granted(1).pays()
    payment_id = story.payment_id()
    return story.says("payment-reversed", payment_id=payment_id, amount_micros=usd(20), kind="dispute")


STATES: dict[str, tuple[Story, str, list[str]]] = {
    "credits-new": (free("new"), CREDITS, ["$0.00", "Add a card first", "There are no transactions yet"]),
    "credits-normal": (rich("normal"), CREDITS, ["is reserved for 1 call in progress", "can be refunded until"]),
    "credits-waiting": (carded("waiting", *ALL), CREDITS, ["On, waiting for credits", "wait until you add credits"]),
    "credits-negative": (
        carded("negative").is_granted("-2.40"), CREDITS,
        [f"Your balance is {MINUS}$2.40. It will be taken from the next credits you add."],
    ),
    "credits-declined": (
        carded("declined").waits(days=19).buys("p1", 50).declines(reason="insufficient_funds"), CREDITS,
        ["Visa •••• 4242 was declined on", "insufficient funds", "Use another card"],
    ),
    "credits-confirm": (
        carded("confirm").waits(days=19).buys("p1", 50).declines(reason=CONFIRM), CREDITS,
        ["the bank wants a confirmation", "Confirm the card"],
    ),
    "credits-pending": (
        carded("pending").buys("p1", 50), CREDITS, ["$50.00 has been waiting for your bank", "Add more now"],
    ),
    "wallet-new": (subscribed("wallet"), CREDITS, ["Auto top-up", "charged to your card"]),
    "wallet-without-card": (
        Story("money-wallet-bare", signup=ago(days=20)).opens("professional").ticks(), CREDITS,
        ["charged to a card as soon as you add one"],
    ),
    "wallet-ended": (
        subscribed("wallet-ended").says("subscription-cancel-requested").ticks(days=40), CREDITS,
        ["Credits never expire."],
    ),
    "credits-reserved-below-zero": (
        carded("below", "live_agent").is_granted(1).starts("now").is_granted("-1.50"), CREDITS,
        [f"{MINUS}$3.50 available. $3.00 is reserved for 1 call in progress.",
         f"Your balance is {MINUS}$0.50."],
    ),
    "wallet-due": (overage("due"), CREDITS, ["$0.12 for calls beyond the included minutes is due on your card"]),
    "transactions": (rich("listed"), TRANSACTIONS, ["Call from +1 415 555 0123", "Credits added", "Correction:"]),
    "transactions-shared": (overage("shared"), TRANSACTIONS, ["Credits given by support", "From your credits"]),
    "calls": (rich("calls"), CALLS, ["Call from +1 415 555 0177", "In progress", "Cost of the call"]),
    "calls-none": (free("silent"), CALLS, ["There are no calls yet"]),
    "refill-off": (carded("off"), REFILL, ["Turn on auto-refill"]),
    "refill-on": (
        carded("on").is_granted(15).refills(20, monthly_limit_micros=usd(100)), REFILL,
        ["Adds", "of at most $100.00", "Turn off auto-refill"],
    ),
    "refill-in-flight": (carded("flight").refills(20), REFILL, ["On, waiting for your bank"]),
    "refill-retrying": (
        carded("retrying").waits(days=19).refills(20).declines(retryable=True, reason="insufficient_funds"), REFILL,
        ["We will ask the bank again on", "insufficient funds"],
    ),
    "refill-paused": (
        carded("paused").waits(days=19).refills(20).declines(reason="expired_card"), REFILL,
        ["Auto-refill is paused: Visa •••• 4242 was declined on", "(the card has expired). Nothing was charged.",
         "Save and resume"],
    ),
    "refill-disputed": (disputed("disputed"), REFILL, ["Auto-refill is paused: a payment is disputed"]),
    "refill-limited": (
        carded("limited").refills(20, monthly_limit_micros=usd(10)),
        REFILL,
        ["Auto-refill cannot add $20.00: the monthly limit is $10.00."],
    ),
    "top-up-off": (subscribed("top-up"), REFILL, ["Turn on auto top-up"]),
    "refill-no-card": (free("no-card"), REFILL, ["There is no card yet"]),
    "cards-none": (free("cardless"), CARDS, ["There is no card yet", "Add a card"]),
    "cards-several": (
        carded("several").adds_card("pm2", brand="american_express", last4="0005", exp_year=2024), CARDS,
        ["Default", "Expires 04/2031", "Expired 04/2024"],
    ),
    "cards-disputed": (disputed("blocked"), CARDS, ["Not used", "A payment with it is disputed"]),
    "card-remove": (
        carded("remove").adds_card("pm2", last4="0002"), f"{CARDS}/remove?payment_method_id=pm1",
        ["Visa •••• 0002 becomes your default card", "Keep the card"],
    ),
    "card-kept": (
        subscribed("kept"), f"{CARDS}/remove?payment_method_id=pm1", ["is your only card", "Add another card first"],
    ),
    "card-add": (free("trial"), f"{CARDS}/add", ["This is a trial", "American Express •••• 3184"]),
}  # fmt: skip


def said(page: Page) -> str:
    return " ".join(page.locator("main").inner_text().split())


@pytest.mark.parametrize("name", STATES)
def test_a_state(drawn: Owners, filled: Filled, tmp_path: Path, name: str) -> None:
    """At the width of a desk and of a phone, also in the dark."""
    story, path, texts = STATES[name]
    account_id = show(drawn, filled, story)
    with drawn.context(account_id, viewport={"width": 1200, "height": 800}) as context:
        page = context.new_page()
        with Watched(page):
            page.goto(path)
            for summary in page.locator("details.why > summary").all():
                summary.click()
            for text in texts:
                assert text in said(page), said(page)
            assert_accessible(page)
            picture(page, name, tmp_path)
            page.set_viewport_size({"width": 360, "height": 740})
            assert_accessible(page)
            picture(page, f"{name}-360", tmp_path)
            page.emulate_media(color_scheme="dark")
            assert_accessible(page)
            picture(page, f"{name}-dark", tmp_path)


def test_the_menu_of_a_card(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    account_id = show(drawn, filled, carded("menu").adds_card("pm2", brand="mastercard", last4="4444"))
    with drawn.context(account_id, viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto(CARDS)
        page.locator("summary").nth(1).click()
        expect(page.get_by_role("button", name="Make default")).to_be_visible()
        expect(page.get_by_role("link", name="Remove")).to_be_visible()
        assert_accessible(page)
        picture(page, "cards-menu-360", tmp_path)


@pytest.mark.parametrize("path", [CREDITS, REFILL, CARDS, TRANSACTIONS, CALLS])
def test_who_may_only_read_has_no_forms(drawn: Owners, filled: Filled, path: str) -> None:
    account_id = show(drawn, filled, rich(f"read-{path.rpartition('/')[2]}"))
    with drawn.context(account_id, "read") as context:
        page = context.new_page()
        page.goto(path)
        assert page.locator("main form").count() == 0
        assert page.get_by_role("button").count() == 1, "signing out"
        assert page.locator("main details[data-menu]").count() == 0
        assert_accessible(page)


def test_twice_as_large_everything_still_fits(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    """A zoom of 200 % halves the width of the page."""
    account_id = show(drawn, filled, rich("zoomed"))
    with drawn.context(account_id, viewport={"width": 640, "height": 400}, device_scale_factor=2) as context:
        page = context.new_page()
        for path in (CREDITS, REFILL, CARDS, TRANSACTIONS):
            page.goto(path)
            assert_fits(page)
        picture(page, "transactions-zoomed", tmp_path)


@pytest.mark.parametrize("first", [TRANSACTIONS, CALLS])
def test_older_ones_follow_page_by_page(drawn: Owners, filled: Filled, first: str) -> None:
    """By links: none is missing, and none is shown twice."""
    story = carded(f"paged-{first.rpartition('/')[2]}", "extra_calls", "live_agent").is_granted(400)
    for number in range(60):
        story.call(f"c{number}", used=["live_agent"])
    visitor = drawn.visitor(show(drawn, filled, story))
    path, seen = first, list[str]()
    while path:
        html = visitor.get(path).body.decode()
        seen += [part.partition('"')[0] for part in html.split('id="why-')[1:]]
        older = re.search(r'href="([^"]*)">Older</a>', html)
        path = older[1] if older else ""
    assert len(seen) == len(set(seen)) == 60


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00"])
def test_a_cursor_that_somebody_made_up_is_refused(drawn: Owners, filled: Filled, cursor: str) -> None:
    visitor = drawn.visitor(show(drawn, filled, carded("cursor")))
    for path in (TRANSACTIONS, CALLS):
        assert visitor.get(f"{path}?cursor={cursor}").status == 400


def test_a_card_that_is_not_there_cannot_be_removed(drawn: Owners, filled: Filled) -> None:
    visitor = drawn.visitor(show(drawn, filled, carded("unknown")))
    assert visitor.get(f"{CARDS}/remove?payment_method_id=pm9").status == 404
    assert visitor.get(f"{CARDS}/remove").status == 404


def test_a_second_purchase_while_one_waits_needs_a_ticked_box(drawn: Owners, filled: Filled) -> None:
    """Nothing answers here, so a purchase that is sent stays under way. The first one's own form needs no box."""
    story = carded("second").buys("p1", 50)
    visitor = drawn.visitor(show(drawn, filled, story))
    form = form_of(visitor.get(CREDITS).body.decode(), f"{CREDITS}/add")
    refused = visitor.post(f"{CREDITS}/add", form)
    assert refused.status == 422
    assert b"Your payment of $50.00 is still waiting for the bank. Tick the box to add more." in refused.body
    sent = visitor.post(f"{CREDITS}/add", {**form, "sure": "yes"})
    assert (sent.status, sent.headers["location"]) == (303, f"{CREDITS}?notice=under-way")
    again = carded("once").buys("page-form-1", 50)
    visitor = drawn.visitor(show(drawn, filled, again))
    form = form_of(visitor.get(CREDITS).body.decode(), f"{CREDITS}/add")
    assert visitor.post(f"{CREDITS}/add", {**form, "id": "page-form-1"}).status == 303
