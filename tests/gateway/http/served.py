"""The gateway with calls of its own, for the tests of what all calls share: `python -m tests.gateway.http.served`."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.http.endpoint import Answer, Body, Call, Endpoint, Operation, Parameter
from gateway.http.problem import no_such_path
from gateway.http.scopes import CALLS, READ, SCOPES, WRITE
from gateway.run import run
from stream import log

PROGRAM = ("tests.gateway.http.served",)
CARD = "4111111111111111"
OBJECT = {"type": "object"}
ARRAY_BYTES_MAX = 8 << 20


async def shown(call: Call) -> Response:
    """What the handler was given."""
    return JSONResponse(
        {
            "path": dict(call.path),
            "account_id": call.account_id,
            "query": dict(call.query),
            "key": call.key.id,
            "media_type": call.media_type,
            "client": call.request.client.host if call.request.client else "",
            "scheme": call.request.url.scheme,
        }
    )


async def echoed(call: Call) -> Response:
    return JSONResponse({"received": await call.json_object(), "late_s": loop_s() - call.started_s})


async def counted(call: Call) -> Response:
    """An array whose length is in the query: 100 of its items take a token."""
    call.take_array(int(call.query["items"]))
    return JSONResponse({})


async def broken(_: Call) -> Response:
    raise RuntimeError(f"a bug that met {CARD}")


async def framework(call: Call) -> Response:
    raise HTTPException(int(call.path["status"]), "of the framework")


async def slow(_: Call) -> Response:
    log.get("tests").info("slow call begins")
    await asyncio.sleep(2)
    return JSONResponse({"finished": True})


async def redis(call: Call) -> Response:
    await call.parts.redis.ping()
    return JSONResponse({})


async def streamed(call: Call) -> Response:
    """Ends with its key."""

    async def lines() -> AsyncIterator[bytes]:
        yield b": begun\n\n"
        await call.parts.keys.ended(call.key)
        yield b": ended\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def loop_s() -> float:
    return asyncio.get_running_loop().time()


def of_type(path: Mapping[str, str]) -> str:
    if path["type"] not in SCOPES:
        raise no_such_path()
    return SCOPES[path["type"]]


def operation(name: str) -> Operation:
    return Operation(name, name, {200: Answer("Done.", OBJECT)})


ENDPOINTS = (
    Endpoint("GET", "/v1/shown", shown, None, operation("shown"), query=(Parameter("limit", {}, "A number."),)),
    Endpoint("GET", "/v1/shown/{name}", shown, None, operation("named")),
    Endpoint("GET", "/v1/both", shown, None, operation("both"), produces=("application/json", "text/csv")),
    Endpoint("POST", "/v1/echo", echoed, None, operation("echo"), body=Body(OBJECT)),
    Endpoint("POST", "/v1/large", echoed, None, operation("large"), body=Body(OBJECT, bytes_max=ARRAY_BYTES_MAX)),
    Endpoint(
        "POST", "/v1/array", counted, None, operation("array"), query=(Parameter("items", {}, "", required=True),)
    ),
    Endpoint("POST", "/v1/authorize", echoed, CALLS, operation("authorize"), body=Body(OBJECT), bucket="authorize"),
    Endpoint("GET", "/v1/broken", broken, None, operation("broken")),
    Endpoint("GET", "/v1/framework/{status}", framework, None, operation("framework")),
    Endpoint("GET", "/v1/slow", slow, None, operation("slow")),
    Endpoint("GET", "/v1/redis", redis, None, operation("redis")),
    Endpoint("GET", "/v1/stream", streamed, None, operation("stream"), produces=("text/event-stream",)),
    Endpoint("GET", "/v1/accounts/{account_id}/thing", shown, READ, operation("thing")),
    Endpoint("DELETE", "/v1/accounts/{account_id}/thing", shown, WRITE, operation("remove_thing")),
    Endpoint("POST", "/v1/accounts/{account_id}/{type}", shown, of_type, operation("command")),
    Endpoint("GET", "/open", shown, None, operation("open"), public=True),
)

if __name__ == "__main__":
    run(ENDPOINTS)
