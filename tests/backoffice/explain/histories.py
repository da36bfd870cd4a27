"""Small histories whose charges are explained."""

import json
from typing import Any

from backoffice.replay import replay_lines
from tests.model.history import DOLLAR, History
from tests.model.naive_time import HOUR_MS, instant

Facts = list[dict[str, Any]]
ALL = ("extra_calls", "live_agent", "appointment_booking")
BOTH = ["live_agent", "appointment_booking"]


def replay(history: History) -> Facts:
    return list(replay_lines(json.dumps(wire).encode() for wire in history.wires))


def opened(*features: str, dollars: int = 0) -> History:
    history = History(instant("2026-01-01T09:00:00.000Z"))
    history.open("a1")
    history.switch(*features, account_id="a1")
    if dollars:
        history.grant(dollars * DOLLAR, "a1")
    return history


def call(history: History, call_id: str, **end: Any) -> None:
    history.now_ms += HOUR_MS
    history.start(call_id, "a1")
    history.end(call_id, "a1", **end)


def calls(history: History, number: int) -> None:
    for count in range(1, number + 1):
        call(history, f"c{count}")
