"""What the owner's page makes of a history that the engine itself has decided."""

import json
from concurrent.futures import ThreadPoolExecutor

from agents.views.layout import SNAPSHOTS
from gateway.portal.charged_calls import ChargedCall, charged_call
from gateway.portal.words import Words
from gateway.reads.calls import Call, Place
from schemas.instant import parse_instant
from tests.gateway.reads.filled import Event, Filled, topic_of
from tests.rules.story import Story


def words_at(story: Story, now: str = "") -> Words:
    """The words for the story's account at `now`."""
    snapshot = story.snapshot()
    digits = {code: currency.minor_units for code, currency in story.catalogue.currencies.items()}
    now_ms = parse_instant(now or story.now)
    return Words(snapshot["currency"], snapshot["time_zone"], now_ms, digits.__getitem__)


def calls_of(story: Story) -> list[Call]:
    """The calls as Redis has them, in order of their first event."""
    calls: dict[str, Call] = {}
    for fact in story.facts("call-admitted", "call-redirected", "call-charged", "charge-adjusted"):
        value, call_id, at_ms = json.dumps(fact).encode(), fact["call_id"], parse_instant(fact["occurred_at"])
        known = calls.get(call_id) or Call(Place(at_ms, call_id.encode()), None, None, [])
        if fact["type"] == "call-charged":
            known = Call(known.place, known.decision, value, known.adjustments)
        elif fact["type"] == "charge-adjusted":
            known = Call(known.place, known.decision, known.charge, [*known.adjustments, value])
        else:
            known = Call(known.place, value, known.charge, known.adjustments)
        calls[call_id] = known
    return list(calls.values())


def charged_of(story: Story) -> list[ChargedCall]:
    return [charged for call in calls_of(story) if (charged := charged_call(call)) is not None]


def events_of(story: Story) -> list[Event]:
    """Everything that the engine publishes of the story, as the views take it: the facts, then the snapshot."""
    values = [json.dumps(fact).encode() for fact in story.facts() if fact["type"] not in _NOT_SHOWN]
    events = [(topic_of(value), value) for value in values if json.loads(value)["account_id"] == story.account_id]
    return [*events, (SNAPSHOTS, json.dumps(story.snapshot()).encode())]


_NOT_SHOWN = {"payment-requested", "dead-letter", "refill-requested", "refill-succeeded"}


def publish(filled: Filled, story: Story) -> None:
    """Let the views have the story. In a thread of its own: the browser's library runs an event loop in this one."""
    with ThreadPoolExecutor(1) as other:
        other.submit(filled.write, events_of(story)).result()
    filled.catch_up()
