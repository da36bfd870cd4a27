"""The gate: one answer for each call, from what is known about it, else from the engine, else from the policy."""

import asyncio
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from gateway.gate.commits import Commits, end_with
from gateway.gate.decision import ENGINE, REPORTED, Decision
from gateway.gate.memory import Memory
from gateway.gate.metrics import GateMetrics
from gateway.gate.pending import CallKey, Pending
from gateway.gate.policy import BlindLimits, Policy
from gateway.gate.start import Start
from gateway.gate.starts import Starts
from gateway.gate.views import UNSEEN, AwayError, Look, Views
from gateway.log.reader import LogReader
from gateway.log.writer import LogWriter
from gateway.settings import Settings

# Redis answers in about a millisecond. A call waits this long for it at most, and never more than a share of its time.
LOOK_S = 0.2
LOOK_SHARE = 0.25
# After Redis has not answered, calls do not look for this long, so that not each of them waits for it.
LEFT_ALONE_S = 0.5
# How long the decision of a call that was reported before is looked for in the views, which may be a little behind: as
# long as somebody may wait for it, and a little longer for the next one who asks.
SEARCH_S = 2.0
SEARCH_EVERY_S = 0.02
SEARCH_LOOK_S = 0.5
SEARCH_FAILURES_MAX = 3


class Answer(NamedTuple):
    """`logged`: the broker has the call's start."""

    decision: Decision
    logged: bool


class Gate:
    """Authorizes calls. It belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        writer: LogWriter,
        reader: LogReader,
        redis: Any,
        registry: CollectorRegistry,
    ) -> None:
        self.metrics = GateMetrics(registry)
        self._now_s = asyncio.get_running_loop().time
        self._timeout_s = settings.gate_timeout_ms / 1_000
        self._memory = Memory(self._now_s)
        self._views = Views(redis, settings)
        limits = BlindLimits(settings.gate_blind_max, settings.gate_blind_account_max)
        self._policy = Policy(settings.gate_policy, limits)
        self._commits = Commits(reader, self._taken)
        self._starts = Starts(writer, reader, self._commits, self.metrics, self._ended)
        self._searches: set[asyncio.Task[None]] = set()
        self._look_from_s = 0.0

    async def close(self) -> None:
        """Finish the writes under way, within the time that a stop has."""
        await self._starts.close()
        await self._commits.close()
        for search in tuple(self._searches):
            search.cancel()

    async def authorize(self, start: Start, key_id: str, began_s: float, now_ms: int) -> Answer:
        """The answer about a call, at the latest when TOLLGATE_GATE_TIMEOUT_MS have passed since `began_s`, which is
        `now_ms` on the gateway's clock.
        """
        call, until_s = CallKey(start.account_id, start.call_id), began_s + self._timeout_s
        known = self._memory.get(call)
        look = UNSEEN
        if known is None or known.source != ENGINE:
            look = await self._look(call, until_s)
            known = self._memory.get(call)  # It may have been decided meanwhile.
        if known is not None and known.source == ENGINE:
            return Answer(known, logged=True)
        pending = self._starts.find(call)
        if look.decision is not None:
            self._found(call, pending, known, look.decision)
            return Answer(look.decision, logged=True)
        if pending is not None and pending.policy is not None:
            return Answer(pending.policy, pending.logged)
        if pending is None:
            pending = self._starts.begin(start, known)
        if pending is not None:
            await asyncio.wait((pending.decided,), timeout=max(0.0, until_s - self._now_s()))
            decided = pending.decided.result() if pending.decided.done() else None
            if decided is not None or pending.reported:
                return Answer(_standing(pending, decided or REPORTED), logged=True)
            # Of a start that was given up meanwhile, the memory has what another request was answered.
            known = pending.policy or self._memory.get(call)
        if known is None:
            # The minute is that of the answer: answers come in the order of time, requests may not.
            answered_ms = now_ms + int((self._now_s() - began_s) * 1_000)
            known = self._policy.decide(key_id, call.account_id, answered_ms, no_such_account=look.no_such_account)
            self._answered_blind(call, pending, known)
        return Answer(known, pending is not None and pending.logged)

    def _answered_blind(self, call: CallKey, pending: Pending | None, decision: Decision) -> None:
        """Keep the policy's first answer, with the start that may still bring the engine's."""
        if pending is None or pending.decided.done():
            self._memory.keep(call, decision)
        else:
            pending.policy = decision

    def _found(self, call: CallKey, pending: Pending | None, known: Decision | None, decision: Decision) -> None:
        """The views have the decision of a call."""
        if pending is not None:
            self._starts.settle(pending, decision)
            return
        if known is not None:
            self.metrics.decided(known, decision)
        self._memory.keep(call, decision)

    async def _look(self, call: CallKey, until_s: float) -> Look:
        """What the views know; nothing while Redis is away."""
        now_s = self._now_s()
        if now_s >= self._look_from_s:
            try:
                return await self._views.look(call, max(0.0, min(LOOK_S, (until_s - now_s) * LOOK_SHARE)))
            except AwayError:
                self._look_from_s = self._now_s() + LEFT_ALONE_S
        self.metrics.redis_errors.inc()
        return UNSEEN

    def _ended(self, pending: Pending, decision: Decision | None) -> None:
        """A start is decided, or given up: then its first answer is what is left."""
        if decision is None or _standing(pending, decision) is not decision:
            if pending.policy is not None:
                self._memory.keep(pending.call, pending.policy)
            return
        if pending.policy is not None:
            self.metrics.decided(pending.policy, decision)
        if decision.kept:
            self._memory.keep(pending.call, decision)
        else:
            self._memory.forget(pending.call)

    def _taken(self, pending: Pending, end: int) -> None:
        """The engine has taken a start and decided nothing: the call was reported before. If its decision came before
        our watch began, the views have it.
        """
        pending.reported = True
        search = asyncio.create_task(self._search(pending, end))
        self._searches.add(search)
        search.add_done_callback(self._searches.discard)
        search.add_done_callback(end_with)

    async def _search(self, pending: Pending, end: int) -> None:
        until_s, failures = self._now_s() + max(SEARCH_S, self._timeout_s), 0
        look = UNSEEN
        while look.decision is None and not pending.decided.done() and self._now_s() < until_s:
            try:
                look, failures = await self._views.look(pending.call, SEARCH_LOOK_S), 0
            except AwayError:
                failures += 1
            if failures == SEARCH_FAILURES_MAX or (look.next_decision is not None and look.next_decision >= end):
                break
            await asyncio.sleep(SEARCH_EVERY_S)
        self._starts.settle(pending, look.decision or REPORTED)


def _standing(pending: Pending, decision: Decision) -> Decision:
    """What holds for a call: the engine's decision, else the policy's first answer, else that it was reported."""
    return pending.policy if decision is REPORTED and pending.policy is not None else decision
