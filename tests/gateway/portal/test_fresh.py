"""A page after a change shows all of it: the events of one change are on several topics."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaProducer

from tests.gateway.portal.stage import Owners
from tests.lane.stage import wait_until

PATIENCE_S = 0.5
TITLE = b"Credits given by support"


async def write(owners: Owners, value: bytes, written: threading.Event, commit: threading.Event) -> None:
    """Write an entry of the ledger in a transaction that stays open until `commit`."""
    stage = owners.stage
    account_id = json.loads(value)["account_id"]
    async with (
        AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=f"{stage.name}-fresh") as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(f"{stage.name}.ledger-entries", value, key=account_id.encode())
        written.set()
        await asyncio.to_thread(commit.wait, 30)


def test_a_page_waits_for_what_is_being_committed(owners: Owners) -> None:
    """The snapshot of a change may be read before its entry of the ledger, whose topic has no other sign of it."""
    account = owners.account("fresh-1")
    granted = owners.send(account, "credits-granted", grant_id="g1", amount_micros=1_000_000, reason="a gift")
    ledger = f"/v1/accounts/{account}/ledger"
    wait_until(lambda: bool(owners.stage.get(ledger).json()["items"]), "the first entry")
    [entry] = owners.stage.get(ledger).json()["items"]
    second = json.dumps(entry | {"id": f"{entry['id']}-2", "entry_id": f"{entry['entry_id']}-2"}).encode()
    visitor = owners.visitor(account)
    path = f"/portal/transactions?after={granted['version']}"
    assert visitor.get(path).body.count(TITLE) == 1
    written, commit = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as others:
        writing = others.submit(lambda: asyncio.run(write(owners, second, written, commit)))
        assert written.wait(30)
        page = others.submit(visitor.get, path)
        try:
            with pytest.raises(TimeoutError):
                page.result(timeout=PATIENCE_S)
        finally:
            commit.set()
        writing.result(30)
        assert page.result(30).status == 200
    wait_until(lambda: visitor.get(path).body.count(TITLE) == 2, "the second entry")
