"""The notifier of docs/guides/notifications.md: whom it writes to, and once for each alert."""

from pathlib import Path
from typing import Any

import pytest

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
