"""An account as it now stands: its latest snapshot."""

import asyncio

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.http.endpoint import JSON
from gateway.http.endpoint import Call as Request
from gateway.http.problem import no_such_account
from gateway.reads.parameters import number_of
from gateway.reads.source import AccountSource, Source
from schemas.instant import format_instant

WAIT_S = 2.0
# The views are a few milliseconds behind, as a rule: the first looks come soon.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.01, 0.1


class _Snapshot(msgspec.Struct, frozen=True, gc=False):
    version: int


_version = msgspec.json.Decoder(_Snapshot).decode


async def show(request: Request) -> Response:
    """`GET /v1/accounts/{account_id}`. With `min_version` it waits for the views, also for an account to come."""
    least, clock = number_of(request.query, "min_version", -1), asyncio.get_running_loop().time
    deadline_s, pause_s = clock() + WAIT_S, FIRST_PAUSE_S
    while True:
        source = Source(request.parts)
        account = AccountSource(source, request.account_id)
        [value] = await account.look(("GET", account.key("snapshot")))
        version = -1 if value is None else _version(value).version
        if version >= least or clock() >= deadline_s:
            break
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_PAUSE_S)
    if value is None:
        raise no_such_account()
    assert source.shown is not None, "the snapshot was read"
    headers = source.headers() | {"ETag": f'W/"{version}"'}
    if is_known(request.request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    as_of = b',"as_of":"%b"}' % format_instant(source.shown.up_to_ms).encode()
    return Response(value[:-1] + as_of, media_type=JSON, headers=headers)


def is_known(headers: Headers, tag: str) -> bool:
    """Whether `If-None-Match` says that the client has the answer. Tags are compared as weak ones, as in RFC 9110."""
    given = ",".join(headers.getlist("if-none-match")).split(",")
    known = {part.strip().removeprefix("W/") for part in given}
    return "*" in known or tag.removeprefix("W/") in known
