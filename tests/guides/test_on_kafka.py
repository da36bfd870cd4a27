"""The programs of the guides on a real Kafka, with a worker that asks for signatures."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from tests.guides.pages import ROOT, code_of
from tests.lane.stage import PRODUCT, Stage, own_name

AT = "2026-03-20T09:00:00Z"
KEY = "the key of the tests"
EXAMPLE = ROOT / "examples" / "moving-in"


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(request.getfixturevalue("kafka"), own_name(request.node), tmp_path)
    yield made
    made.close()


def move_in(stage: Stage, directory: Path) -> None:
    """As docs/guides/moving-in.md says."""
    moved = subprocess.run(
        [sys.executable, str(EXAMPLE / "move_in.py"), "--at", AT], capture_output=True, text=True, check=True
    )
    file = directory / "inputs.jsonl"
    file.write_text(moved.stdout, encoding="utf-8")
    sent = subprocess.run(
        [sys.executable, str(EXAMPLE / "send.py"), str(file)],
        capture_output=True,
        text=True,
        check=True,
        env=stage.environment(signing_keys=KEY),
    )
    assert sent.stdout == f"19 inputs sent to {stage.topic('account-events')}\n"


class Provider:
    """Does not know at first, and then says that it is paid."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.keys: list[str] = []

    async def execute(self, key: str, request: dict[str, Any]) -> dict[str, Any] | None:  # noqa: ARG002 protocol
        self.keys.append(key)
        return {"paid": True, "reference": "ch-1", "at": self.at} if len(self.keys) > 1 else None


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"later:{kind}", "account_id": "acct-hill", "occurred_at": AT, **fields}


def purchases(records: list[ConsumerRecord]) -> list[dict[str, Any]]:
    return [entry for entry in (json.loads(record.value) for record in records) if entry["kind"] == "purchase"]


async def test_calls_are_decided_and_purchases_paid_after_moving_in(stage: Stage, tmp_path: Path) -> None:
    # Without ticks nothing is too late, on whatever day this test runs.
    worker = stage.worker(PRODUCT, clock="none", signing_keys=KEY)
    await asyncio.to_thread(worker.wait_owned)
    move_in(stage, tmp_path)
    telephony, adapter = code_of("telephony.md", "aiokafka"), code_of("payments.md", "adapter")
    adapter["asyncio"] = SimpleNamespace(sleep=lambda _: asyncio.sleep(0.1))
    start = event("call-started", call_id="c-1", direction="inbound")
    async with telephony["Gate"](stage.bootstrap, stage.prefix) as gate:
        admitted = await gate.ask(start, wait_s=30)
        assert (admitted["type"], admitted["call_id"], admitted["reason"]) == ("call-admitted", "c-1", "included")
        nobody = await gate.ask(start | {"account_id": "nobody"}, wait_s=30)
        assert (nobody["type"], nobody["reason"]) == ("call-redirected", "unknown_account")
        # A repeat has no second decision.
        assert await gate.ask(start, wait_s=0.5) is None
        await gate.report(event("credits-purchase-requested", purchase_id="p-1", amount_micros=5_000_000))
    provider = Provider(AT)
    paying = asyncio.create_task(adapter["run"](stage.bootstrap, provider, KEY.encode(), stage.prefix))
    entries = await asyncio.to_thread(stage.read, stage.topic("ledger-entries"), lambda found: bool(purchases(found)))
    paying.cancel()
    assert [entry["balance_after_micros"] for entry in purchases(entries)] == [46_000_000]
    assert provider.keys == ["acct-hill/purchase/p-1"] * 2
    assert await asyncio.to_thread(stage.read, stage.topic("dead-letters")) == []
