"""Worker and adapter together, as an operator runs them: a purchase becomes credits, once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.payments.adapter_stage import AdapterStage, PythonProcess
from tests.payments.stripe_server import StripeServer

AT = "2026-01-31T10:00:00Z"
CARD = {"token": "cus_1/pm_card_visa", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}


def account_input(kind: str, number: int, **fields: object) -> bytes:
    return json.dumps({"type": kind, "id": f"in-{number}", "account_id": "a-1", "occurred_at": AT, **fields}).encode()


@pytest.fixture
def worker(stage: AdapterStage, tmp_path: Path) -> Iterator[PythonProcess]:
    env = stage.environment(clock="none", health_port=0)
    process = PythonProcess(["stream", "worker"], env, tmp_path / "worker.log")
    yield process
    process.kill()


def test_c12_a_purchase_is_charged_by_stripe_and_credited_once(
    stage: AdapterStage, server: StripeServer, worker: PythonProcess
) -> None:
    stage.stripe(server)
    inputs = [
        account_input("account-opened", 1, plan="free"),
        account_input("payment-method-added", 2, payment_method_id="pm-1", **CARD),
        account_input("credits-purchase-requested", 3, purchase_id="b-1", amount_micros=20_000_000),
        account_input("credits-purchase-requested", 4, purchase_id="b-1", amount_micros=20_000_000),
        account_input("credits-purchase-requested", 5, purchase_id="b-2", amount_micros=30_000_000),
    ]
    stage.write("account-events", ((b"a-1", value) for value in inputs))
    entries: list[dict[str, Any]] = [json.loads(r.value) for r in stage.read("ledger-entries", 2)]
    assert [entry["balance_after_micros"] for entry in entries][-1] == 50_000_000
    assert server.charges() == {"a-1/purchase/b-1": 1, "a-1/purchase/b-2": 1}
    assert stage.read("dead-letters", 0) == []
