"""`POST /v1/calls/authorize`: asks before a call connects whether it may, and with which paid features."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.commands.inputs import field_of
from gateway.gate.decision import Authorization
from gateway.gate.start import compose
from gateway.http.endpoint import JSON, Answer, Body, Call, Endpoint, Operation
from gateway.http.problem import Problem, no_such_account
from gateway.http.scopes import CALLS
from schemas.codec import Unreadable

_TEXT: Mapping[str, Any] = {"type": "string"}
_EXAMPLE = {"account_id": "acct-7f3", "call_id": "call-1", "direction": "inbound", "from": "+15550100"}
_CALL_ID = {"type": "string", "pattern": "^[!-~]{1,128}$"}
_BODY: Mapping[str, Any] = {
    "type": "object",
    "required": ["account_id", "call_id", "direction"],
    "properties": {
        "account_id": {"type": "string", "pattern": "^[A-Za-z0-9._:+@-]{1,128}$"},
        "call_id": _CALL_ID,
        "direction": {"enum": ["inbound", "outbound", "web"]},
        "leg_id": _CALL_ID,
        "from": _TEXT,
        "to": _TEXT,
        "occurred_at": {
            "type": "string",
            "format": "date-time",
            "description": "When the call began; now if left out.",
        },
    },
}
_ANSWER: Mapping[str, Any] = {
    "type": "object",
    "required": [
        *("call_id", "decision", "reason", "features_enabled", "hold_micros", "source", "logged", "decided_in_ms"),
    ],
    "properties": {
        "call_id": _TEXT,
        "decision": {"enum": ["allow", "redirect"]},
        "reason": _TEXT,
        "features_enabled": {"type": "array", "items": {"enum": ["appointment_booking", "extra_calls", "live_agent"]}},
        "hold_micros": {"type": "integer", "minimum": 0},
        "redirect_to": {"type": "string", "description": "Where a redirected call goes, if the account says so."},
        "source": {"enum": ["engine", "policy"]},
        "logged": {"type": "boolean", "description": "Whether the log has the call's start."},
        "decided_in_ms": {"type": "integer", "minimum": 0},
    },
}


async def authorize(call: Call) -> Response:
    """The answer about a call. Only what the schema refuses is a problem."""
    body = await call.json_object()
    began_s, account_id = call.started_s, body.get("account_id")
    if isinstance(account_id, str) and not call.key.reaches(account_id):
        raise no_such_account()
    now_ms = call.parts.clock_ms()
    start = compose(body, now_ms)
    if isinstance(start, Unreadable):
        raise Problem(start.code, start.message, field=field_of(start.message))
    answer = await call.parts.gate.authorize(start, call.key.id, began_s, now_ms)
    taken_s = asyncio.get_running_loop().time() - began_s
    decision = answer.decision
    call.parts.gate.metrics.answered(decision, taken_s)
    return Response(
        msgspec.json.encode(
            Authorization(
                call_id=start.call_id,
                decision=decision.decision,
                reason=decision.reason,
                features_enabled=decision.features_enabled,
                hold_micros=decision.hold_micros,
                redirect_to=decision.redirect_to,
                source=decision.source,
                logged=answer.logged,
                decided_in_ms=int(taken_s * 1_000),
            )
        ),
        media_type=JSON,
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/calls/authorize",
        authorize,
        CALLS,
        Operation(
            operation_id="call_authorize",
            summary="Ask whether a call may connect",
            description="Writes the call's start and answers with the engine's decision. Without one in time the "
            "operator's policy answers (`source` `policy`); asked again, the call gets the engine's decision if there "
            "is one, else the same answer.",
            answers={200: Answer("The decision.", _ANSWER)},
            codes=("schema_invalid", "future_time", "not_found"),
        ),
        body=Body(_BODY, example=_EXAMPLE),
        bucket="authorize",
    ),
)
