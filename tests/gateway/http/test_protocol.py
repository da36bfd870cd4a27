"""HTTP as bytes: what cannot be read, what is too large, and what comes too slowly.

The deadlines for headers (10 s) and bodies (30 s) are waited for, all at once.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.http.served import PROGRAM
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply


@pytest.fixture(scope="module", autouse=True)
def gateway(stage: GatewayStage) -> GatewayProcess:
    return stage.gateway(program=PROGRAM)


@contextmanager
def connected(gateway: GatewayProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        yield connection


def received(connection: socket.socket) -> bytes:
    """All until the other side closes."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def reply(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert len(headers) == len(lines), lines
    return Reply(int(status.split(" ")[1]), headers, body[: int(headers["content-length"])])


def first_reply(connection: socket.socket) -> Reply:
    """The answer to a request of a connection that stays open."""
    answer = b""
    while True:
        answer += connection.recv(65_536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head)
        if length is not None and len(body) >= int(length[1]):
            return reply(answer)


def sent(gateway: GatewayProcess, request: bytes) -> Reply:
    with connected(gateway) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return reply(received(connection))


def get(path: str, stage: GatewayStage, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {stage.key}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_with_a_problem(gateway: GatewayProcess, request_: bytes) -> None:
    answer = sent(gateway, request_)
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "schema_invalid", "close")


@pytest.mark.parametrize(
    "encoding",
    [
        ("Content-Encoding: identity", "Content-Encoding: gzip"),
        ("Content-Encoding: gzip, identity",),
        ("Transfer-Encoding: gzip, chunked",),
    ],
)
def test_a_compressed_body_is_refused_however_it_is_named(
    stage: GatewayStage, gateway: GatewayProcess, encoding: tuple[str, ...]
) -> None:
    length = () if "Transfer" in encoding[0] else ("Content-Length: 2",)
    head = get("/v1/echo", stage, *encoding, *length).replace(b"GET", b"POST", 1)
    answer = sent(gateway, head + (b"{}" if length else b"2\r\n{}\r\n0\r\n\r\n"))
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_white_space_around_a_header_is_not_part_of_it(stage: GatewayStage, gateway: GatewayProcess) -> None:
    assert sent(gateway, get("/v1/shown", stage, "X-Request-Id: \t mine \t ")).headers["x-request-id"] == "mine"


def test_what_is_refused_before_its_call_keeps_its_id(stage: GatewayStage, gateway: GatewayProcess) -> None:
    large = "X-Filler: " + "x" * 16_384
    for request in (
        get("/v1/shown", stage, "X-Request-Id: mine", large),
        get("/v1/shown", stage, "X-Request-Id: mine", large * 12).rstrip(),
        get("/v1/shown", stage, "X-Request-Id: mine", "A: a", "Ho st: a"),
    ):
        answer = sent(gateway, request)
        assert (answer.headers["x-request-id"], answer.json()["request_id"]) == ("mine", "mine")
    # The id of the request before is not that of the next one.
    first = get("/v1/shown", stage, "X-Request-Id: mine").replace(b"Connection: close\r\n", b"")
    with connected(gateway) as connection:
        connection.sendall(first)
        assert first_reply(connection).headers["x-request-id"] == "mine"
        connection.sendall(b"nonsense\r\n\r\n")
        next_one = reply(received(connection))
    assert (next_one.status, next_one.headers["x-request-id"] != "mine") == (400, True)


def test_headers_have_a_limit_with_the_path(stage: GatewayStage, gateway: GatewayProcess) -> None:
    assert sent(gateway, get("/v1/shown", stage, "X-Filler: " + "x" * 16_000)).status == 200
    for request in (
        get("/v1/shown", stage, "X-Filler: " + "x" * 16_384),
        get("/v1/shown/" + "x" * 16_384, stage),
        get("/v1/shown", stage, *(f"X-{n}: {'x' * 100}" for n in range(200))),
        # One that never ends.
        get("/v1/shown", stage, "X-Filler: " + "x" * 200_000).rstrip(),
    ):
        answer = sent(gateway, request)
        assert (answer.status, answer.code, answer.headers["connection"]) == (413, "too_large", "close")


def test_an_endless_body_is_cut_off(stage: GatewayStage, gateway: GatewayProcess) -> None:
    """In chunks, without a length: it is refused while it is still being sent."""
    head = (
        f"POST /v1/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {stage.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with connected(gateway) as connection:
        connection.sendall(head.encode())
        for _ in range(70):
            connection.sendall(b"400\r\n" + b" " * 1_024 + b"\r\n")
        answer = first_reply(connection)
        assert (answer.status, answer.code) == (413, "too_large")


def test_chunks_are_read(stage: GatewayStage, gateway: GatewayProcess) -> None:
    head = get("/v1/echo", stage, "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1)
    assert sent(gateway, head + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n').json()["received"] == {"a": 1}


def test_requests_in_a_row_are_answered_in_order(stage: GatewayStage, gateway: GatewayProcess) -> None:
    """More than 16 KiB of them, none of which is too large."""
    requests = [get(f"/v1/shown/{n}", stage).replace(b"Connection: close\r\n", b"") for n in range(250)]
    with connected(gateway) as connection:
        connection.sendall(b"".join(requests) + get("/v1/shown/last", stage))
        answer = received(connection)
    found = [answer.index(f'{{"name":"{n}"}}'.encode()) for n in (0, 1, 249, "last")]
    assert found == sorted(found)
    assert answer.count(b"HTTP/1.1 200") == 251


def test_an_offer_of_http_2_is_passed_over(stage: GatewayStage, gateway: GatewayProcess) -> None:
    """Java's client makes it with its first request, also with a body."""
    offer = ("Upgrade: h2c", "HTTP2-Settings: AAEAAEAA", "Content-Length: 7")
    request = (
        get("/v1/echo", stage, *offer).replace(b"GET", b"POST", 1).replace(b": close", b": Upgrade, HTTP2-Settings")
    )
    with connected(gateway) as connection:
        connection.sendall(request + b'{"a":1}')
        assert first_reply(connection).json()["received"] == {"a": 1}
        connection.sendall(get("/v1/shown", stage))
        assert reply(received(connection)).status == 200


@pytest.mark.parametrize("given", ["a\rb", "a\tb", "a%0d%0aSet-Cookie:x", "a\x0bb"])
def test_no_header_can_be_smuggled_into_an_answer(stage: GatewayStage, gateway: GatewayProcess, given: str) -> None:
    answer = sent(gateway, get("/v1/shown", stage, f"X-Request-Id: {given}"))
    assert answer.status in {200, 400}
    assert answer.headers["x-request-id"] != given
    assert "set-cookie" not in answer.headers


def test_what_comes_too_slowly_is_timed_out(stage: GatewayStage, gateway: GatewayProcess) -> None:
    """Takes 30 s, the deadline of a body; the others are waited for at the same time."""
    post = get("/v1/echo", stage, "Content-Length: 7").replace(b"GET", b"POST", 1)
    early = post.replace(stage.key.encode(), b"wrong")
    began = time.monotonic()
    with (
        connected(gateway) as silent,
        connected(gateway) as headers,
        connected(gateway) as body,
        connected(gateway) as refused,
    ):
        headers.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        body.sendall(post + b'{"a"')
        refused.sendall(early + b'{"a"')
        assert received(silent) == b""
        answer = reply(received(headers))
        assert (answer.status, answer.code) == (408, "request_timeout")
        after_headers = time.monotonic() - began
        answer = reply(received(body))
        assert (answer.status, answer.code, answer.headers["connection"]) == (408, "request_timeout", "close")
        assert reply(received(refused)).status == 401  # At once, and the connection ends with its unfinished body.
        assert after_headers < time.monotonic() - began
