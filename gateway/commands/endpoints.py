"""The calls of commands: one per type of input, the opening of an account, and what became of a command."""

import json
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from uuid_utils import uuid7

from gateway.commands import schemas
from gateway.commands.inputs import OPENED, RESERVED, Prepared, prepare, usable_id
from gateway.commands.running import Done
from gateway.commands.service import Pending, Replayed, Result, Sent
from gateway.http.endpoint import JSON, Answer, Body, Call, Endpoint, Operation, Parameter
from gateway.http.problem import RETRY_AFTER_S, Problem, no_such_account, wrong_parameter
from gateway.http.scopes import READ, SCOPES, WRITE
from schemas.instant import parse_instant

KEY = "Idempotency-Key"
RESPOND_ASYNC = "respond-async"
# Larger than an input, because white space is not written to the log, and an escape of six bytes may be one there.
BODY_BYTES_MAX = 8 * 65_536
# What is the same in any two requests for one input, or is set by the gateway.
_NOT_COMPARED = frozenset({"id", "type", "account_id", "occurred_at"})


async def command(call: Call, kind: str) -> Response:
    """A command about the account of the path."""
    return await _run(call, kind, call.account_id, await call.json_object())


async def open_account(call: Call) -> Response:
    """The opening of the account that the body names."""
    body = await call.json_object()
    account_id = body.get("account_id")
    if not isinstance(account_id, str):
        raise Problem("schema_invalid", "Expected the account's id, a string - at `account_id`", field="account_id")
    if not call.key.reaches(account_id):
        raise no_such_account()
    return await _run(call, OPENED, account_id, body)


async def look_up(call: Call) -> Response:
    """What became of a command. Of an account that is not there nothing else is told than of one outside the key's."""
    input_id, commands = call.path["input_id"], call.parts.commands
    found = await commands.find(call.account_id, input_id) if usable_id(input_id) else None
    if found is None:
        if not await commands.knows(call.account_id):
            raise no_such_account()
        raise Problem("not_found", "No command with this id came within the last 24 hours.")
    return _respond(found, call.account_id, input_id, 200, {})


async def _run(call: Call, kind: str, account_id: str, body: dict[str, Any]) -> Response:
    fields = {name: value for name, value in body.items() if name not in _NOT_COMPARED or value is not None}
    for name, known in (("type", kind), ("account_id", account_id)):
        if fields.setdefault(name, known) != known:
            raise Problem("key_mismatch", f"`{name}` in the body is not what the path says", field=name)
    fields["id"] = _id_of(call, fields.get("id"))
    parts = call.parts
    signing_key = next(iter(parts.settings.keys()), None)
    prepared = prepare(fields, f"key:{call.key.id}", signing_key, parts.clock_ms(), parts.latest_ms())
    wait = not _prefers_async(call)
    deadline_s = call.started_s + parts.settings.command_timeout_ms / 1_000
    result = await parts.commands.run(prepared, _sent(body, prepared), deadline_s, wait=wait)
    headers = {} if wait or not isinstance(result, Pending) else {"Preference-Applied": RESPOND_ASYNC}
    if isinstance(result, Replayed):
        headers["Idempotent-Replayed"] = "true"
    opened = kind == OPENED and isinstance(result, Done) and not result.repeat
    return _respond(result, account_id, prepared.id, 201 if opened else 200, headers)


def _id_of(call: Call, in_body: Any) -> str:
    """The input's id: from the header, from the body, or a new one."""
    given = call.request.headers.getlist(KEY)
    if in_body is not None and not usable_id(in_body):
        detail = f"`id` must be 1 to 128 of A-Z a-z 0-9 . _ : + @ - and not begin with {RESERVED}"
        raise Problem("schema_invalid", detail, field="id")
    if not given:
        return f"gw-{uuid7()}" if in_body is None else str(in_body)
    if len(given) > 1 or not usable_id(given[0]):
        detail = f"Send one id of 1 to 128 of A-Z a-z 0-9 . _ : + @ - that does not begin with {RESERVED}"
        raise wrong_parameter(KEY, detail)
    if in_body not in {None, given[0]}:
        raise wrong_parameter(KEY, "The body has another `id`: send one of the two, or the same twice.")
    return given[0]


def _sent(body: Mapping[str, Any], prepared: Prepared) -> Sent:
    """What identifies the body as it was sent. The order of keys does not count, nor what the gateway would add."""
    compared = {name: value for name, value in body.items() if name not in _NOT_COMPARED}
    text = json.dumps(compared, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    occurred = "" if prepared.timed_here else str(int(parse_instant(body["occurred_at"])))
    return Sent(sha256(text.encode()).hexdigest(), occurred)


def _prefers_async(call: Call) -> bool:
    given = ",".join(call.request.headers.getlist("Prefer"))
    return any(part.partition(";")[0].strip().lower() == RESPOND_ASYNC for part in given.split(","))


def _respond(result: Result, account_id: str, input_id: str, status: int, headers: dict[str, str]) -> Response:
    account = f"/v1/accounts/{quote(account_id, safe='')}"
    if isinstance(result, Pending):
        body = json.dumps({"id": input_id, "status": "pending"}).encode()
        headers |= {"Location": f"{account}/inputs/{quote(input_id, safe='')}", "Retry-After": str(RETRY_AFTER_S)}
        return Response(body, 202, headers, JSON)
    if status == 201:
        headers["Location"] = account
    return Response(result.answer, status, headers, JSON)


_ID_HEADER = Parameter(KEY, schemas.ID, "The command's id, in place of `id`: sent again, it has no second effect.")
_PREFER = Parameter("Prefer", {"type": "string"}, "`respond-async`: answer as soon as the log has the command.")
_ANSWER = Answer("It took effect.", schemas.ANSWER)
_LATER = Answer("The outcome is not known yet.", schemas.PENDING, headers={"Location": "Where it will be."})


def _command(kind: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"/v1/accounts/{{account_id}}/{kind}",
        partial(command, kind=kind),
        SCOPES[kind],
        Operation(
            operation_id=kind.replace("-", "_"),
            summary=schemas.summary_of(kind),
            answers={200: _ANSWER, 202: _LATER},
            headers=(_ID_HEADER, _PREFER),
            codes=("idempotency_mismatch", "schema_invalid", "key_mismatch", "too_large"),
        ),
        body=Body(
            schemas.body_schema(kind), bytes_max=BODY_BYTES_MAX, required=False, example=schemas.example_of(kind)
        ),
    )


_OPEN = Endpoint(
    "POST",
    "/v1/accounts",
    open_account,
    WRITE,
    Operation(
        operation_id="account_opened",
        summary=schemas.summary_of(OPENED),
        answers={
            200: _ANSWER,
            201: Answer("The account is open.", schemas.ANSWER, headers={"Location": "The account."}),
            202: _LATER,
        },
        headers=(_ID_HEADER, _PREFER),
        codes=("account_exists", "idempotency_mismatch", "schema_invalid", "key_mismatch", "too_large"),
    ),
    body=Body(
        schemas.body_schema(OPENED, "account_id"),
        bytes_max=BODY_BYTES_MAX,
        example=schemas.example_of(OPENED, "account_id"),
    ),
)
_LOOK_UP = Endpoint(
    "GET",
    "/v1/accounts/{account_id}/inputs/{input_id}",
    look_up,
    READ,
    Operation(
        operation_id="command_outcome",
        summary="What became of a command of the last 24 hours",
        answers={200: _ANSWER, 202: _LATER},
        codes=("not_found",),
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (_OPEN, *(_command(kind) for kind in SCOPES if kind != OPENED), _LOOK_UP)
