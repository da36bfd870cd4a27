"""Accounts as the views show them, from a story that the rules have answered."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson

from agents.views.layout import META, position_field
from gateway.log.reader import TOPICS
from tests.gateway.portal.stage import Owners
from tests.gateway.reads.filled import ALERTS, Event, Filled, topic_of
from tests.gateway.stage import PARTITIONS
from tests.lane.stage import wait_until
from tests.rules.story import Story

NOT_SHOWN = frozenset({"payment-requested", "dead-letter"})
# Published to both, with one id.
ALSO_ALERTS = frozenset({"refill-declined", "refill-paused"})


def ago(**by: int) -> str:
    """A time that long before now, for a story whose events a page shows as recent."""
    days, hours, minutes = by.get("days", 0), by.get("hours", 0), by.get("minutes", 0)
    at_s = time.time() - 86_400 * days - 3_600 * hours - 60 * minutes
    return time.strftime("%Y-%m-%dT%H:%M:00.000Z", time.gmtime(at_s))


def show(owners: Owners, filled: Filled, story: Story, **changed: Any) -> str:
    """Fill the views with what has become of the story; `changed` are fields of the snapshot. Returns the account."""
    account_id = story.account_id
    facts = [fact for fact in story.facts() if fact["type"] not in NOT_SHOWN]
    events: list[Event] = [event for fact in facts for event in _events(fact)]
    events.append(("account-snapshots", orjson.dumps(story.snapshot() | changed)))
    # In a thread of its own: the browser's library has an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(filled.write, events).result()
    filled.catch_up()
    # The log itself is empty, and the views have passed its ends: streams wait for that.
    ends = {position_field(f"{owners.stage.name}.{topic}", at): 0 for topic in TOPICS for at in range(PARTITIONS)}
    filled.redis.hset(META, mapping=ends)
    assert owners.stage.get(f"/v1/accounts/{account_id}").status == 200
    return account_id


def _events(fact: dict[str, Any]) -> list[Event]:
    value = orjson.dumps(fact)
    if not fact["type"].startswith("refill-"):
        return [(topic_of(value), value)]
    return [("refills", value), *([(ALERTS, value)] if fact["type"] in ALSO_ALERTS else [])]


def form_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of one of a page's forms."""
    part = html.partition(f'action="{action}"')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', part))


def wait_past_decline(owners: Owners, account_id: str) -> None:
    """Wait until the account's newest purchase was declined in the past: the fake provider dates its answers some
    seconds ahead, and the next payment must not seem to come before.
    """
    [newest, *_] = owners.stage.get(f"/v1/accounts/{account_id}/alerts?type=purchase-declined").json()["items"]
    at = datetime.fromisoformat(newest["occurred_at"])
    wait_until(lambda: datetime.now(UTC) > at, "the time of the decline")
