"""The first page in every state of an account: what it says, its picture, and that everybody can use it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.portal.words import MINUS
from tests.gateway.portal.overview_stories import (
    NUMBER,
    SHOWN_NUMBER,
    busy,
    carded,
    debt,
    declined_refill,
    disputed,
    ended,
    free,
    now,
    open_page,
    subscribed,
    text_of,
    used_up,
)
from tests.gateway.portal.stage import Owners, assert_accessible, picture
from tests.gateway.portal.told import ago, show
from tests.gateway.reads.filled import Filled
from tests.rules.story import Story, usd

# Each story is told in its test: what one run collects today it may look at tomorrow.
STATES: dict[str, tuple[Callable[[], Story], dict[str, Any], list[str]]] = {
    "new": (
        lambda: free("new", days=0), {},
        ["$0.00", "0 of 25 included calls used.", "No calls yet today.", "no transactions"],
    ),
    "normal": (
        lambda: busy("normal"), {},
        ["$35.00 available. $6.00 is reserved for 1 call in progress.", "of 25 included calls used.",
         "3 answered", "1 not answered", "1 in progress", "Today's calls have cost $9.00.", "Credits added",
         f"{MINUS}$6.00", "All transactions"],
    ),
    "zero": (
        lambda: carded("zero", "live_agent", "appointment_booking"), {},
        ["$0.00", "Live agent and appointment booking wait for credits: calls are answered without them.",
         "Add credits"],
    ),
    "negative": (
        lambda: debt("negative"), {},
        [f"Your balance is {MINUS}$2.40. It will be taken from the next credits you add."],
    ),
    "redirected": (
        lambda: used_up("redirected"), {},
        ["Your 25 included calls this month are used, and extra calls are off: more calls are redirected to",
         f"{SHOWN_NUMBER}. Today that was 2 calls.", "Change call handling", "2 redirected"],
    ),
    "empty": (
        lambda: used_up("empty", "extra_calls"), {},
        ["there are no credits left: more calls are redirected", "Today that was 2 calls.", "Add credits"],
    ),
    "paused": (
        lambda: declined_refill("paused", retryable=False), {},
        ["Auto-refill is paused: Visa •••• 4242 was declined on", "(the card has expired)", "Use another card"],
    ),
    "retrying": (
        lambda: declined_refill("retrying", retryable=True), {},
        ["Auto-refill did not work: Visa •••• 4242 was declined on", "(insufficient funds)", "The next attempt is on"],
    ),
    "disputed": (
        lambda: disputed("disputed"), {},
        ["Auto-refill is paused: a payment was disputed on", "A payment with Visa •••• 4242 is disputed"],
    ),
    "limit": (
        lambda: carded("limit").refills(20, monthly_limit_micros=usd(30)).pays().is_granted(-15), {},
        ["another $20.00 would pass the monthly limit of $30.00.", "Change limit"],
    ),
    "declined": (
        lambda: carded("declined").waits(days=19).buys("p1", 50).declines(reason="insufficient_funds"), {},
        ["$50.00 was not added: Visa •••• 4242 was declined on", "(insufficient funds)", "Try again"],
    ),
    "pending": (
        lambda: carded("pending").waits(days=19).buys("p1", 50), {}, ["$50.00 is on its way. It was requested on"],
    ),
    "expired-card": (
        lambda: free("expired-card").adds_card(exp_year=2020, exp_month=4), {},
        ["Visa •••• 4242 has expired (04/2020)."],
    ),
    "minutes": (
        lambda: subscribed("minutes").is_granted(20).call("long", seconds=62 * 60).waits(until=now()).call("today"), {},
        ["Professional, renews on", "63 of 100 included minutes used, 37 remaining.", "At this pace you will use"],
    ),
    "overage": (
        lambda: subscribed("overage").call("long", seconds=120 * 60), {},
        ["120 minutes used, 100 of them included.", "Calls have cost $2.20 this month.", "Your wallet is empty"],
    ),
    "fee-declined": (
        lambda: Story("overview-fee-declined", signup=ago(days=20)).opens("professional").ticks().adds_card()
        .declines(reason="insufficient_funds", retryable=True), {},
        ["$49.00 for your subscription is not paid: Visa •••• 4242 was declined on", "We try again on",
         "Use another card"],
    ),
    "no-card": (
        lambda: Story("overview-no-card", signup=ago(days=40)).opens("professional").ticks().ticks(days=32), {},
        ["There is no card to pay $49.00 for", "Add a card"],
    ),
    "first-card": (
        lambda: Story("overview-first-card", signup=ago(days=1)).opens("professional").ticks(), {},
        ["There is no card for your subscription. It is charged as soon as you add one.", "Add a card",
         "charged to a card as soon as you add one."],
    ),
    "cancelling": (
        lambda: subscribed("cancelling").says("subscription-cancel-requested"), {},
        ["Your subscription is cancelled and ends on", "Until then your calls are answered.", "Keep subscription"],
    ),
    "ended": (
        lambda: ended("ended"), {},
        [f"Your subscription has ended: calls are redirected to {SHOWN_NUMBER}.", "Choose a plan",
         "Professional, ended", "No minutes are included, and none were used."],
    ),
    "idle": (
        lambda: free("idle", days=50).says("redirect-set", redirect_to=NUMBER).calls(25), {},
        ["0 of 25 included calls used."],
    ),
    "changing": (
        lambda: subscribed("changing").waits(days=1).says("plan-change-requested", plan="free"), {},
        ["Professional, renews on", ", Pay as you go from"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_the_states_of_an_account(drawn: Owners, filled: Filled, state: str, tmp_path: Path) -> None:
    story, changed, said = STATES[state]
    account = show(drawn, filled, story(), **changed)
    with open_page(drawn, account) as page:
        text = text_of(page)
        for words in said:
            assert words in text, (words, text)
        picture(page, f"overview-{state}", tmp_path)
        assert_accessible(page)
