"""How streams end, and what becomes of them while Redis is away."""

import contextlib
import socket
import time

import pytest

from devkit.redis import DevRedis
from tests.gateway.reads.events import alert
from tests.gateway.stage import GatewayStage
from tests.gateway.streams.published import Published
from tests.gateway.streams.reader import Reader
from tests.lane.stage import wait_until

ENTRY, SNAPSHOT = "ledger-entry-posted", "account-snapshot"


def ended(stage: GatewayStage, why: str) -> float:
    name = f'tollgate_gateway_streams_ended_total{{why="{why}"}} '
    return next(float(line.removeprefix(name)) for line in stage.gateways[0].metrics().splitlines() if name in line)


def test_a_reader_1_mib_behind_is_cut_off_and_others_are_not(stage: GatewayStage, published: Published) -> None:
    published.open("slow-1")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.connect(("127.0.0.1", stage.gateways[0].port))
    slow.sendall(
        f"GET /v1/accounts/slow-1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.key}\r\n\r\n".encode()
    )
    assert slow.recv(15).startswith(b"HTTP/1.1 200")
    before = ended(stage, "slow")
    with Reader(stage, "slow-1") as reader:
        reader.wait_for(1, SNAPSHOT)
        sent = 0
        while ended(stage, "slow") == before:
            assert sent < 10, "half a MiB each, beside what sockets hold"
            published.send([alert("slow-1", sent * 8 + n, note="x" * 64_000) for n in range(8)])
            sent += 1
            reader.wait_for(sent * 8, "balance-low")
        assert sent >= 2, "a reader may be 1 MiB behind"
        assert not reader.ended
    slow.settimeout(20)
    # What had been sent may come before the end.
    with contextlib.suppress(ConnectionResetError):
        while slow.recv(1 << 16):
            pass
    slow.close()


@pytest.mark.parametrize("how", ["removed", "disabled", "expired"])
def test_a_stream_ends_with_its_key(stage: GatewayStage, published: Published, how: str) -> None:
    account = f"key-{how}"
    published.open(account)
    key = stage.keys.add(f"ending-{how}", "accounts:read")
    wait_until(lambda: stage.get("/v1/plans", key=key).status == 200, "the new key")
    with Reader(stage, account, key=key) as reader, Reader(stage, account) as other:
        reader.wait_for(1, SNAPSHOT)
        other.wait_for(1, SNAPSHOT)
        if how == "removed":
            stage.keys.remove(f"ending-{how}")
        else:
            field = {"disabled": True} if how == "disabled" else {"expires_at": "2026-01-01T00:00:00Z"}
            stage.keys.entries[f"ending-{how}"] |= field
            stage.keys.write()
        wait_until(lambda: reader.ended, "the end of the stream")
        assert not reader.broken
        assert not other.ended
        published.move(account, [1])
        other.wait_for(1, ENTRY)


def test_pings_come_every_15_s(stage: GatewayStage, published: Published) -> None:
    """Takes 30 s, for two pings."""
    published.open("ping-1")
    began = time.monotonic()
    with Reader(stage, "ping-1") as reader:
        wait_until(lambda: reader.pings == 2, "two pings", 45)
    assert time.monotonic() - began >= 30
    assert b": ping\n" in reader.lines


def test_a_gateway_that_stops_ends_its_streams(stage: GatewayStage, published: Published) -> None:
    published.open("stop-1")
    gateway = stage.gateway()
    with Reader(stage, "stop-1", gateway=gateway) as reader:
        reader.wait_for(1, SNAPSHOT)
        gateway.stop()
        wait_until(lambda: reader.ended, "the end of the stream")
        assert not reader.broken
    assert not gateway.events("requests were cut off"), gateway.log()[-1_000:]
    published.move("stop-1", [1])
    with Reader(stage, "stop-1", last=reader.last) as again:
        again.wait_for(1, ENTRY)


def test_without_redis_none_opens_and_open_ones_go_on(
    stage: GatewayStage, published: Published, own_redis: DevRedis
) -> None:
    published.open("away-1")
    with Reader(stage, "away-1") as reader:
        reader.wait_for(1, SNAPSHOT)
        with own_redis.frozen():
            refused = stage.get("/v1/accounts/away-1/events")
            assert (refused.status, refused.code) == (503, "unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            published.move("away-1", [1], seen=False)
            reader.wait_for(1, ENTRY)
        wait_until(lambda: published.count("away-1") == 1, "the views go on")
    with Reader(stage, "away-1") as again:
        again.wait_for(1, SNAPSHOT)
