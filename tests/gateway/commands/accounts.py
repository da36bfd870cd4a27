"""Accounts for the tests of commands, and times for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.gateway.stage import GatewayStage, Reply


def opened(stage: GatewayStage, account: str, **fields: Any) -> Reply:
    """A new account, which the views have too."""
    reply = stage.post("/v1/accounts", {"account_id": account, "plan": "free", **fields})
    assert reply.status == 201, reply.body
    return stage.shown(account, reply)


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
