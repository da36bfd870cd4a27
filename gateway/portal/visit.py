"""One request of one session: the account as the views have it, and what a page may read of it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request

from gateway.http.problem import Problem, no_such_account
from gateway.log.outcome import pass_ends
from gateway.parts import Parts
from gateway.portal.periods import usage_now
from gateway.portal.session import Session
from gateway.portal.words import Words
from gateway.reads import calls, invoices, log_order
from gateway.reads.cursor import EVERYTHING, Asked
from gateway.reads.fresh import look_behind
from gateway.reads.source import STALE, AccountSource, Source
from schemas.alerts import OWNER

# A page after a change, or after an event of the stream, waits so long for the views to show it.
FRESH_WITHIN_S = 2.0
# In the query of a page: the version of the snapshot that it must show at least, which the answer to a form and the
# script give; and the name of what a form has done.
AFTER, NOTICE = "after", "notice"
_PAUSE_S = 0.02
_VERSION_DIGITS_MAX = 16

Event = dict[str, Any]


class Visit:
    """Everything that a page needs. `snapshot` is the account's, as published. `stale_s` is set when the views are more
    than 10 s behind; `as_of_ms` is how far they are. `now_ms` is the gateway's clock.
    """

    def __init__(self, request: Request, parts: Parts, session: Session, source: AccountSource, value: bytes) -> None:
        self.request, self.parts, self.session, self.source = request, parts, session, source
        self.snapshot: Event = orjson.loads(value)
        self.now_ms = parts.clock_ms()
        self.words = Words(
            self.snapshot["currency"],
            self.snapshot["time_zone"],
            self.now_ms,
            lambda code: parts.plans.currency(code).minor_units,
        )

    @property
    def stale_s(self) -> int | None:
        behind = self.source.source.headers().get(STALE)
        return None if behind is None else int(behind)

    @property
    def as_of_ms(self) -> int:
        shown = self.source.source.shown
        assert shown is not None, "the snapshot was read"
        return shown.up_to_ms

    @property
    def query(self) -> str:
        """The query of the page's address, without what the answer to a form has added to it."""
        pairs = self.request.query_params.multi_items()
        return urlencode([(name, value) for name, value in pairs if name not in {AFTER, NOTICE}])

    @property
    def plan(self) -> Any:
        """The account's plan in the catalogue, priced in the account's currency; None when it is no longer there."""
        plan = self.parts.plans.plans.get(self.snapshot["plan"])
        return None if plan is None else plan.priced_in(self.snapshot["currency"]) or plan

    @property
    def credits(self) -> bool:
        """Whether the account's plan is one of the credits product; otherwise it is one of the minutes product."""
        return self.plan is None or self.plan.family == "credits"

    @property
    def usage(self) -> Mapping[str, Any]:
        """The usage of the running period: an account that does nothing gets no snapshot when its period ends."""
        return usage_now(self.snapshot, self.now_ms)

    async def newest(
        self,
        name: str,
        limit: int,
        *,
        asked: Asked = EVERYTHING,
        below: int | None = None,
        wanted: Callable[[Event], bool] | None = None,
    ) -> list[Event]:
        """At most `limit` events of `charges`, `ledger`, `alerts` (the owner's alone), `invoices` (with the status that
        is now known), `refills` or `decisions`, newest first. `below` is a log offset: see `page`.
        """
        events, _ = await self.page(name, limit, asked=asked, below=below, wanted=wanted)
        return events

    async def page(
        self,
        name: str,
        limit: int,
        *,
        asked: Asked = EVERYTHING,
        below: int | None = None,
        wanted: Callable[[Event], bool] | None = None,
    ) -> tuple[list[Event], int | None]:
        """As `newest`, and the offset to give as `below` for what follows; None at the end of the list."""
        found: list[tuple[log_order.Row, Event]] = []
        async for rows in log_order.steps(self.source, name, below):
            for row in rows:
                if not log_order.takes(asked, row.value):
                    continue
                event = orjson.loads(row.value)
                if (name == "alerts" and event["audience"] != OWNER) or (wanted is not None and not wanted(event)):
                    continue
                if len(found) == limit:
                    return await self._as_known(name, found), found[-1][0].offset if found else below
                found.append((row, event))
        return await self._as_known(name, found), None

    async def calls(self, limit: int, asked: Asked = EVERYTHING) -> list[Event]:
        """The newest calls by the time of their first event: `call_id`, `first_at`, `decision`?, `charge`?,
        `adjustments`, `net_micros`?, `currency`?.
        """
        places = await calls.places(self.source, None, asked, limit)
        return [orjson.loads(calls.as_item(call)) for call in await calls.joined(self.source, places)]

    async def _as_known(self, name: str, found: list[tuple[log_order.Row, Event]]) -> list[Event]:
        if name != invoices.INVOICES:
            return [event for _, event in found]
        paid = await invoices.paid_of(self.source, [row for row, _ in found])
        return [orjson.loads(invoices.as_known(row.value, paid)) for row, _ in found]


async def begin_visit(request: Request, parts: Parts, session: Session) -> Visit:
    """Read the account. Raises Problem and AwayError."""
    source = AccountSource(Source(parts), session.account_id)
    after = request.query_params.get(AFTER, "")
    if after.isascii() and after.isdigit() and len(after) <= _VERSION_DIGITS_MAX:
        value = await _fresh(parts, source, session.account_id, int(after))
    else:
        [value] = await source.look(("GET", source.key("snapshot")))
    if value is None:
        raise no_such_account()
    return Visit(request, parts, session, source, value)


async def _fresh(parts: Parts, source: AccountSource, account_id: str, version: int) -> bytes | None:
    """The snapshot, once the views have this version of it and everything else that was written by now: the other
    events of a change are on topics of their own, which this gateway may read later than the snapshot. What there is,
    when that takes too long.
    """
    get = ("GET", source.key("snapshot"))
    clock = asyncio.get_running_loop().time
    deadline_s = clock() + FRESH_WITHIN_S
    if parts.reader.ready:
        try:
            async with asyncio.timeout_at(deadline_s):
                await pass_ends(parts.reader, parts.reader.position(account_id).partition)
            left_s = deadline_s - clock()
            await look_behind(parts, source, parts.reader.position(account_id), [get], left_s)
        except (Problem, TimeoutError):
            deadline_s = clock()
    while True:
        [value] = await source.look(get)
        if value is None or orjson.loads(value)["version"] >= version or clock() >= deadline_s:
            return None if value is None else bytes(value)
        await asyncio.sleep(_PAUSE_S)
