"""Why a call costs what it costs: the explanation that `tollgate explain` prints, from the events that Redis has."""

import msgspec
import orjson
from starlette.responses import Response

from agents.views import layout
from backoffice.explain.call_history import ExplainError, read_history
from backoffice.explain.check import faults, recompute
from backoffice.explain.command import explanation
from backoffice.explain.sentence import sentence
from gateway.http.endpoint import JSON
from gateway.http.endpoint import Call as Request
from gateway.http.problem import Problem
from gateway.reads import log_order
from gateway.reads.calls import Call, Place, call_of
from gateway.reads.source import AccountSource, Source
from schemas.facts import call_in_id


class _Move(msgspec.Struct, frozen=True, gc=False):
    wallet_micros: int


class _Entry(msgspec.Struct, frozen=True, gc=False):
    kind: str
    reference: str


_move = msgspec.json.Decoder(_Move).decode
_decoded = msgspec.json.Decoder(_Entry).decode


class Explanation(msgspec.Struct, frozen=True):
    """`recomputed_micros` is the call's current cost computed again from its receipt. `agrees` is whether everything
    adds up.
    """

    sentence: str
    text: str
    recomputed_micros: int
    agrees: bool


async def explain_call(request: Request) -> Response:
    """`GET /v1/accounts/{account_id}/explain?call_id=`."""
    call_id = request.query["call_id"]
    source = Source(request.parts)
    account = AccountSource(source, request.account_id)
    place = Place(0, call_id.encode())
    # The snapshot gives the account's time zone, in which dates are written.
    snapshot, fields = await account.ask(
        ("GET", account.key("snapshot")), ("HGETALL", layout.call_key(account.account, place.call_id))
    )
    call = call_of(place, fields)
    if call.charge is None:
        raise Problem("not_found", "The call has no charge, or none yet.")
    values = [value for value in (snapshot, call.decision, call.charge, *call.adjustments) if value is not None]
    values += await _ledger(account, call)
    body = msgspec.json.encode(_explained(values, call_id, request.account_id))
    return Response(body, media_type=JSON, headers=source.headers())


async def _ledger(account: AccountSource, call: Call) -> list[bytes]:
    """The call's ledger entries in log order, and the account's newest one, which shows that there is a ledger. Nothing
    when entries are missing: the oldest ones are no longer kept.
    """
    moves = [value for value in (call.charge, *call.adjustments) if value is not None]
    wanted = sum(_move(value).wallet_micros != 0 for value in moves)
    reference, newest = call_in_id(call.place.call_id.decode()), list[bytes]()
    found: list[bytes] = []
    async for rows in log_order.steps(account, "ledger"):
        newest = newest or [row.value for row in rows[:1]]
        found += [row.value for row in rows if _entry(row.value) in {("charge", reference), ("adjustment", reference)}]
        if len(found) >= wanted:
            return [*reversed(found), *newest]
    return []


def _entry(value: bytes) -> tuple[str, str]:
    entry = _decoded(value)
    return entry.kind, entry.reference


def _explained(values: list[bytes], call_id: str, account_id: str) -> Explanation:
    try:
        history = read_history(enumerate(map(orjson.loads, values), start=1), call_id, account_id)
    except ExplainError as error:
        raise Problem("not_found", str(error)) from error
    assert history.latest is not None, "the call has a charge"
    recomputed_micros = recompute(history.latest.receipt)
    return Explanation(sentence(history), explanation(history), recomputed_micros, not faults(history))
