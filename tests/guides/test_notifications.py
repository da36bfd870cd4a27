"""The programs of docs/guides/notifications.md: whom they write to, and once for each alert."""

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from agents.notifier.signature import signed_headers
from tests.guides.pages import code_of, events_of, text_of

GUIDE = code_of("notifications.md", "notifications")
(ALERT,) = events_of(text_of("notifications.md"))


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, "owner@example.com"),
        ({"audience": "operator"}, GUIDE["OPERATOR"]),
        ({"billing_email": None}, None),
    ],
)
def test_where_an_alert_goes(changes: dict[str, Any], address: str | None) -> None:
    assert GUIDE["recipient"](ALERT | changes) == address


async def test_an_alert_is_sent_once_and_a_failed_one_again(tmp_path: Path) -> None:
    sent: list[str] = []
    failures = [ConnectionError("the mail server is away")]

    async def deliver(address: str, alert: dict[str, Any]) -> None:
        if failures:
            raise failures.pop()
        sent.append(f"{address} {alert['id']}")

    database = str(tmp_path / "sent.db")
    notifier = GUIDE["Notifier"](deliver, database)
    with pytest.raises(ConnectionError):
        await notifier.notify(ALERT)
    await notifier.notify(ALERT)
    await notifier.notify(ALERT)
    # A process that starts again still knows.
    await GUIDE["Notifier"](deliver, database).notify(ALERT)
    assert sent == ["owner@example.com acct-7f3/alert/4"]


async def test_the_receiver_of_webhooks_verifies_and_acts_once() -> None:
    """What the notifier signs, and what somebody else sends."""
    receiver = code_of("notifications.md", "webhooks")
    handled: list[dict[str, Any]] = []

    async def handle(event: dict[str, Any]) -> None:
        handled.append(event)

    body = json.dumps(ALERT).encode()
    headers = signed_headers("tg_1", int(time.time()), body, [receiver["SECRET"]])
    forged = {**headers, "webhook-signature": f"v1,{b64encode(bytes(32)).decode()}"}
    server = TestServer(receiver["receiver"](handle, set()))
    async with TestClient(server) as client:
        statuses = [
            (await client.post("/hooks/tollgate", data=body, headers=given)).status
            for given in (headers, headers, forged)
        ]
    assert statuses == [204, 204, 400]
    assert handled == [ALERT]
