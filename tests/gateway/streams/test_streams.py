"""Streams of accounts that a worker serves: what they show, whom, and how many there may be."""

from typing import Any

import pytest

from tests.gateway.stage import GatewayStage
from tests.gateway.streams.published import Published
from tests.gateway.streams.reader import Reader
from tests.lane.stage import wait_until

ENTRY, SNAPSHOT = "ledger-entry-posted", "account-snapshot"


def opened(stage: GatewayStage, account: str) -> str:
    reply = stage.post("/v1/accounts", {"account_id": account, "plan": "free"})
    assert reply.status == 201, reply.body
    stage.shown(account, reply)
    return account


def command(stage: GatewayStage, account: str, kind: str, **body: Any) -> Any:
    reply = stage.post(f"/v1/accounts/{account}/{kind}", body)
    assert reply.status == 200, reply.body
    return reply.json()


def grant(stage: GatewayStage, account: str, number: int) -> Any:
    return command(
        stage, account, "credits-granted", grant_id=f"g-{number}", amount_micros=1_000_000 * number, reason="test"
    )


def streams_open(stage: GatewayStage) -> int:
    line = next(
        line for line in stage.gateways[0].metrics().splitlines() if line.startswith("tollgate_gateway_streams ")
    )
    return int(float(line.split()[1]))


def test_a_stream_begins_with_the_snapshot_and_goes_on_with_what_happens(stage: GatewayStage) -> None:
    account = opened(stage, "live:1@a")
    with Reader(stage, account) as reader:
        assert reader.headers["content-type"].startswith("text/event-stream")
        assert (reader.headers["cache-control"], reader.headers["x-accel-buffering"]) == ("no-store", "no")
        [first] = reader.wait_for(1, SNAPSHOT)
        assert reader.lines[0] == b"retry: 2000\n"
        shown = stage.get("/v1/accounts/live%3A1%40a").json()
        assert first.json() | {"as_of": shown["as_of"]} == shown
        answer = grant(stage, account, 1)
        [entry] = reader.wait_for(1, ENTRY)
        assert entry.json() == answer["facts"][0]
        assert reader.wait_for(2, SNAPSHOT)[1].json()["version"] == answer["version"]
    assert reader.types()[0] == SNAPSHOT
    assert sorted(reader.types()) == [SNAPSHOT, SNAPSHOT, ENTRY]
    assert len({event.id for event in reader.events}) == 3


def test_an_account_just_opened_has_a_stream(stage: GatewayStage) -> None:
    for number in range(5):
        with Reader(stage, opened(stage, f"just-{number}")) as reader:
            reader.wait_for(1, SNAPSHOT)


def test_no_payment_request_token_or_dead_letter_is_shown(stage: GatewayStage) -> None:
    account = opened(stage, "secret-1")
    with Reader(stage, account) as reader:
        method = {"payment_method_id": "pm-1", "token": "tok-secret", "brand": "visa", "last4": "4242"}
        command(stage, account, "payment-method-added", **method, exp_month=12, exp_year=2040)
        command(stage, account, "credits-purchase-requested", purchase_id="p-1", amount_micros=20_000_000)
        again = stage.post(f"/v1/accounts/{account}/payment-method-removed", {"payment_method_id": "pm-9"})
        assert again.status == 422
        version = grant(stage, account, 1)["version"]
        wait_until(lambda: any(event.json().get("version") == version for event in reader.events), "the snapshot")
    sent = b"".join(reader.lines)
    assert b"pm-1" in sent
    for hidden in (b"tok-secret", b"payment-requested", b"pm-9", b"dead-letter"):
        assert hidden not in sent


def test_types_choose_what_is_shown(stage: GatewayStage) -> None:
    account = opened(stage, "types-1")
    with Reader(stage, account, f"?types={ENTRY},balance-low") as reader:
        grant(stage, account, 1)
        [entry] = reader.wait_for(1, ENTRY)
        grant(stage, account, 2)
        reader.wait_for(2, ENTRY)
    assert reader.types() == [ENTRY, ENTRY]
    with Reader(stage, account, f"?types={ENTRY}", last=entry.id) as again:
        again.wait_for(1, ENTRY)
    assert again.types() == [ENTRY]
    with Reader(stage, account, f"?types={SNAPSHOT}") as snapshots:
        snapshots.wait_for(1, SNAPSHOT)


@pytest.mark.parametrize("types", ["", "payment-requested", "dead-letter", "call-started", f"{ENTRY},", "reset"])
def test_an_unknown_type_is_refused(stage: GatewayStage, types: str) -> None:
    reply = stage.get(f"/v1/accounts/types-1/events?types={types}")
    assert (reply.status, reply.code, reply.json()["field"]) == (400, "schema_invalid", "types")


def test_a_reader_that_saw_nothing_goes_on_from_there(stage: GatewayStage) -> None:
    account = opened(stage, "nothing-1")
    with Reader(stage, account, f"?types={ENTRY}") as reader:
        wait_until(lambda: bool(reader.last), "an id without an event")
    assert reader.events == []
    grant(stage, account, 1)
    with Reader(stage, account, f"?types={ENTRY}", last=reader.last) as again:
        again.wait_for(1, ENTRY)


def test_whom_a_stream_is_shown(stage: GatewayStage) -> None:
    account = opened(stage, "whom-1")
    other = stage.keys.add("other", "accounts:read", accounts=["mine-*"])
    writer = stage.keys.add("writer", "accounts:write")
    wait_until(lambda: stage.get("/v1/plans", key=writer).status == 200, "the new keys")
    path = f"/v1/accounts/{account}/events"
    assert stage.get(path, key=other).code == "not_found"
    assert stage.get("/v1/accounts/mine-nobody/events", key=other).code == "not_found"
    assert stage.get(path, key=writer).code == "forbidden"
    assert stage.get(path, headers={"Accept": "application/json"}).code == "not_acceptable"
    before = streams_open(stage)
    head = stage.request("HEAD", path)
    assert (head.status, head.body, head.headers["cache-control"]) == (200, b"", "no-store")
    assert streams_open(stage) == before


def test_an_account_has_at_most_20_streams(stage: GatewayStage) -> None:
    account = opened(stage, "many-1")
    readers = [Reader(stage, account) for _ in range(20)]
    assert {reader.status for reader in readers} == {200}
    refused = stage.get(f"/v1/accounts/{account}/events")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    grant(stage, account, 1)
    entries = {reader.wait_for(1, ENTRY)[0].data for reader in readers}
    assert len(entries) == 1
    readers.pop().close()
    wait_until(lambda: _opens(stage, account), "a place that is free again")
    for reader in readers:
        reader.close()


def test_a_key_has_at_most_200_streams(stage: GatewayStage, published: Published) -> None:
    key = stage.keys.add("two-hundred", "accounts:read", requests_per_s=1_000)
    wait_until(lambda: stage.get("/v1/plans", key=key).status == 200, "the new key")
    accounts = [f"keyed-{number}" for number in range(11)]
    for account in accounts:
        published.open(account)
    readers = [Reader(stage, account, key=key) for account in accounts[:10] for _ in range(20)]
    assert {reader.status for reader in readers} == {200}
    assert streams_open(stage) >= 200
    refused = stage.get(f"/v1/accounts/{accounts[10]}/events", key=key)
    assert (refused.status, refused.code) == (429, "rate_limited")
    with Reader(stage, accounts[10]) as of_another_key:
        of_another_key.wait_for(1, SNAPSHOT)
    for reader in readers:
        reader.close()
    wait_until(lambda: streams_open(stage) < 20, "no stream without a reader")


def _opens(stage: GatewayStage, account: str) -> bool:
    reader = Reader(stage, account)
    reader.close()
    return reader.status == 200
