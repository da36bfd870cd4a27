"""Accounts for the tests of the overview, and how they look at it."""

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page

from tests.gateway.portal.stage import Owners, Watched
from tests.gateway.portal.told import ago
from tests.gateway.reads.filled import Event, Filled
from tests.rules.story import ALL, Story, usd

NUMBER = "+14155550100"
SHOWN_NUMBER = "+1 415 555 0100"


def free(name: str, *features: str, **by: int) -> Story:
    """An account on the credits plan that was opened a while ago, 20 days if nothing else is said."""
    return Story(f"overview-{name}", signup=ago(**(by or {"days": 20}))).opens().ticks().switches(*features)


def carded(name: str, *features: str, **by: int) -> Story:
    return free(name, *features, **by).adds_card()


def subscribed(name: str, **by: int) -> Story:
    story = Story(f"overview-{name}", signup=ago(**(by or {"days": 20})))
    return story.opens("professional").ticks().adds_card().pays()


def busy(name: str) -> Story:
    """$50 were added; calls of today, answered, missed and redirected, and one in progress."""
    story = carded(name, "live_agent", "appointment_booking").says("redirect-set", redirect_to=NUMBER)
    story.waits(hours=3).buys("p1", 50).pays().waits(days=2).calls(6, "included-").waits(until=now())
    story.call("first", used=["live_agent"]).call("second").call("missed", answered=False)
    story.call("third", used=["live_agent", "appointment_booking"])
    return story.starts("now", **{"from": "+14155550177"})


def now() -> str:
    """A moment of today in UTC, however early the day is."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - min(60, time.time() % 86_400)))


def used_up(name: str, *features: str) -> Story:
    story = free(name, *features).says("redirect-set", redirect_to=NUMBER)
    return story.calls(25).waits(until=now()).starts("over-1").waits(seconds=1).starts("over-2")


def declined_refill(name: str, *, retryable: bool) -> Story:
    story = carded(name).waits(days=18).refills(20)
    return story.declines(reason="insufficient_funds" if retryable else "card_expired", retryable=retryable)


def disputed(name: str) -> Story:
    story = carded(name).refills(20).waits(days=17).is_granted(1).pays()
    return story.says("payment-reversed", payment_id=story.payment_id(), amount_micros=usd(20), kind="dispute")


def ended(name: str) -> Story:
    story = subscribed(name, days=50).says("subscription-cancel-requested").says("redirect-set", redirect_to=NUMBER)
    return story.ticks(days=40)


def debt(name: str) -> Story:
    return carded(name, "live_agent").is_granted("-2.40")


def crowded(name: str) -> Story:
    """Everything at once: a paused refill, included calls used up, calls of every outcome, many transactions."""
    story = carded(name, *ALL).says("redirect-set", redirect_to=NUMBER)
    story.waits(hours=1).buys("p1", 30).pays().calls(23).waits(until=now()).call("missed", answered=False)
    story.call("paid", used=["live_agent"]).call("costly", used=["live_agent", "appointment_booking"])
    story.call("extra").is_granted(-18).refills(20).declines(reason="card_expired").starts("redirected")
    story.waits(seconds=1).is_granted(30).starts("now", **{"from": "+14155550177"})
    return story.says("billing-details-set", name="Whitfield & Partners Family Dentistry of Greater Sacramento")


@contextmanager
def open_page(owners: Owners, account: str, mode: str = "manage", **options: Any) -> Iterator[Page]:
    with owners.context(account, mode, **options) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal")
            yield page


def write(filled: Filled, events: Iterable[Event]) -> None:
    """In a thread of its own: the browser's library has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(filled.write, events).result()
    filled.catch_up()


def text_of(page: Page) -> str:
    return re.sub(r"\s+", " ", page.locator("main").inner_text())
