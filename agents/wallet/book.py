"""The book of one partition: its rows, what is derived from them, and the decisions applied to them.

Derived are the input ids seen, the rows that are due at some time, the payments without an answer, and the ranking of a
period's counted calls. They are the same whether they grew with the traffic or were computed from a restored table.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import cast

from agents.wallet.clock import BROKER_TIME, TimedWork, Timing, Work
from agents.wallet.decide import decide
from agents.wallet.expire import expire_row, is_forgotten
from agents.wallet.row_cache import RowCache
from agents.wallet.terms import nearest_terms
from agents.wallet.totals import AccountTotals, UnansweredPayments
from agents.wallet.turn import Decision, Refusal
from schemas.account import Account, Row
from schemas.call import Call, is_ranked, rank_of
from schemas.currencies import CatalogueError
from schemas.inputs import AnyInput, ClockTicked
from schemas.payment_rows import Payment
from schemas.plan import AnyPlan, Catalogue, CreditsPlan
from schemas.rows import CLOCK_KEY, Clock, SeenInput, Terms, decode_row, due_of, encode_row, seen_key, terms_key

Rank = tuple[int, str]
_NOTHING: tuple[Rank, ...] = ()
_NO_CALL = Call()

# The cost of timed work in units of about 3 microseconds: forgetting a row, or dropping an entry that a later change
# has replaced; and a turn of an account. The end of a billing period is the most expensive turn.
FORGET_UNITS = 1
TURN_UNITS = 80


class Book:
    """One partition's state, as the rules read it (`agents.wallet.turn.View`) and as decisions change it.

    `rows` are the committed bytes; the table owns them. Changed rows are kept decoded until `flush` returns them.
    `overdue` is whether timed work is left that is due, and `oldest_unanswered_ms` is when the oldest payment without
    an answer was requested, None when there is none; both are as of the last `flush`.
    """

    def __init__(self, catalogue: Catalogue, rows: dict[str, bytes], timing: Timing = BROKER_TIME) -> None:
        self.catalogue = catalogue
        self.timing = timing
        self.overdue = False
        self.oldest_unanswered_ms: int | None = None
        self.totals = AccountTotals()
        self._rows = rows
        self._decoded: dict[str, Row | None] = {}
        self._cache = RowCache()
        # Each changed row, with the clock that its last change saw.
        self._changed: dict[str, int | None] = {}
        self._seen: set[str] = set()
        self._timed = TimedWork(self.get)
        self._unanswered = UnansweredPayments()
        self._ranked: dict[tuple[str, int], list[Rank]] = {}
        # The plans as rows keep them, by name and version; and as accounts use them, by name, version and currency.
        self._offers: dict[tuple[str, int], AnyPlan] = {}
        self._terms: dict[tuple[str, int, str], AnyPlan] = {}
        self._allowances: tuple[int, ...] = ()
        self._restore(rows)
        self._keep_terms()

    # Read by the rules.

    @property
    def clock_ms(self) -> int | None:
        return self._timed.clock_ms

    def get(self, key: str) -> Row | None:
        if key in self._decoded:
            return self._decoded[key]
        value = self._rows.get(key)
        row = None if value is None else self._cache.decode(key, value)
        self._decoded[key] = row
        return row

    def is_seen(self, key: str) -> bool:
        return key in self._seen

    def ranked(self, account_id: str, period_start_ms: int) -> Sequence[Rank]:
        return self._ranked.get((account_id, period_start_ms), _NOTHING)

    def unanswered(self, account_id: str) -> Sequence[str]:
        return self._unanswered.of_account(account_id)

    def terms(self, plan: str, version: int, currency: str) -> AnyPlan:
        """The plan in that version with its prices in the currency. What the catalogue no longer offers has the terms
        of the newest version before that did (rule K3).
        """
        known = self._terms.get((plan, version, currency))
        if known is None:
            known = self._terms[plan, version, currency] = nearest_terms(self._offers, plan, version, currency)
        return known

    def allowances(self) -> Sequence[int]:
        return self._allowances

    # Changed by the agent.

    def catch_up(self, account_id: str) -> Iterator[Decision]:
        """Do all of an account's timed work that is due, in order of due time. Called before each of its inputs (rule
        G2).
        """
        timed = self._timed
        while timed.is_overdue(account_id):
            work = timed.take(account_id)
            if work is not None:
                yield self._do(work)

    def take(self, event: AnyInput, arrived_ms: int | None = None) -> Decision | Refusal:
        """Decide on one input and apply the decision. `arrived_ms` is its broker timestamp, None where none counts.

        The caller has done the account's timed work (`catch_up`). Work that a tick makes due is done afterwards
        (`work`).
        """
        if isinstance(event, ClockTicked):
            return self._tick(event, arrived_ms)
        decision = self._decide(event, self.timing.now_ms(self.clock_ms, arrived_ms))
        if isinstance(decision, Decision):
            self._apply(decision, self.clock_ms)
        return decision

    def work(self, units: int | None = None) -> Iterator[Decision]:
        """Do timed work that is due, in order of due time: all of it, or until about `units` are spent."""
        timed, left = self._timed, units
        while timed.overdue and (left is None or left > 0):
            work = timed.take_first()
            if left is not None:
                left -= FORGET_UNITS if work is None or is_forgotten(work) else TURN_UNITS
            if work is not None:
                yield self._do(work)
        timed.forget_ticks()

    def use(self, catalogue: Catalogue) -> None:
        """Continue with another version of the catalogue, as a worker that starts with it would. Raises
        CatalogueError.
        """
        self.catalogue = catalogue
        self._keep_terms()

    def _decide(self, event: AnyInput, now_ms: int | None) -> Decision | Refusal:
        return decide(self, event, now_ms)

    def _expire(self, work: Work) -> Decision:
        return expire_row(self, work)

    def flush(self) -> list[tuple[str, bytes | None]]:
        """The bytes of the rows changed since the last flush, each once; None for a removed row."""
        self._keep_clock()
        self.overdue = self._timed.overdue
        self.oldest_unanswered_ms = self._unanswered.oldest_ms
        changed: list[tuple[str, bytes | None]] = []
        for key in self._changed:
            row, previous = self._decoded[key], self._rows.get(key)
            if row is not None:
                changed.append((key, encode_row(key, row, previous)))
            elif previous is not None:
                changed.append((key, None))
        self._changed.clear()
        self._decoded.clear()
        return changed

    def changed_accounts(self) -> Iterator[tuple[str, Account, int | None]]:
        """The accounts changed since the last flush, with the clock that the last change saw."""
        for key, clock_ms in self._changed.items():
            row = self._decoded[key]
            if isinstance(row, Account):
                yield key, row, clock_ms

    def _restore(self, rows: dict[str, bytes]) -> None:
        clock, due = Clock(-1), []
        for key, value in rows.items():
            row = decode_row(key, value)
            self._derive(key, None, row)
            due_ms = due_of(row)
            if due_ms:
                due.append((due_ms, key))
            elif isinstance(row, Clock):
                clock = row
        now_ms = None if clock.now_ms < 0 else clock.now_ms
        self._timed.restore(now_ms, clock.ticks, due)
        # The restore has decoded the accounts; there are too many of them to keep.
        self._decoded.clear()
        self.overdue = self._timed.overdue
        self._unanswered.finish_restore(now_ms or 0)
        self.oldest_unanswered_ms = self._unanswered.oldest_ms

    def _tick(self, tick: ClockTicked, arrived_ms: int | None) -> Decision | Refusal:
        """Advance the clock. Refuse a tick too far ahead of its own broker timestamp; an older tick is a repeat."""
        at_ms = int(tick.occurred_at_ms)
        refusal = self.timing.refuse_tick(at_ms, arrived_ms)
        if refusal is not None:
            return refusal
        if self.clock_ms is not None and at_ms <= self.clock_ms:
            return Decision(repeat=True)
        self._timed.tick(at_ms, tick.id)
        return Decision()

    def _do(self, work: Work) -> Decision:
        decision = self._expire(work)
        self._apply(decision, work.tick[0], by_input=False)
        return decision

    def _apply(self, decision: Decision, clock_ms: int | None, *, by_input: bool = True) -> None:
        for key, row in decision.rows.items():
            before = self.get(key)
            self._derive(key, before, row)
            due_ms = due_of(row)
            if due_ms and due_ms != due_of(before):
                self._timed.add(key, due_ms, by_input=by_input)
            self._decoded[key] = row
            self._changed[key] = clock_ms

    def _keep_clock(self) -> None:
        """Write the clock, and the ticks with undone work, into their row."""
        if self.clock_ms is not None:
            clock = Clock(self.clock_ms, tuple(self._timed.ticks))
            if clock != self.get(CLOCK_KEY):
                self._decoded[CLOCK_KEY] = clock
                self._changed[CLOCK_KEY] = self.clock_ms

    def _derive(self, key: str, before: Row | None, after: Row | None) -> None:
        """Update what is derived from rows after one row's change. The caller updates the queue of timed work."""
        kind = type(before if after is None else after)
        if kind is Account:
            self.totals.update(cast("Account | None", before), cast("Account | None", after))
        elif kind is Call:
            self._derive_call(key, cast("Call | None", before) or _NO_CALL, cast("Call | None", after) or _NO_CALL)
        elif kind is SeenInput:
            (self._seen.discard if after is None else self._seen.add)(key)
        elif kind is Payment:
            self._unanswered.update(key, after)
        elif isinstance(after, Terms):
            _, plan, version = key.split("/")
            self._offers[plan, int(version)] = after.plan
            self._terms.clear()
            credits_terms = (terms for terms in self._offers.values() if isinstance(terms, CreditsPlan))
            self._allowances = tuple(sorted({terms.included_calls for terms in credits_terms}))

    def _derive_call(self, key: str, old: Call, new: Call) -> None:
        if old.input_ids != new.input_ids:
            account_id = key[: key.index("/")]
            for input_id in old.input_ids:
                self._seen.discard(seen_key(account_id, input_id))
            for input_id in new.input_ids:
                self._seen.add(seen_key(account_id, input_id))
        if old.end is None and new.end is None:
            return
        account_id, _, call_id = key.split("/", 2)
        was = rank_of(call_id, old.end) if old.end is not None and is_ranked(old) else None
        now = rank_of(call_id, new.end) if new.end is not None and is_ranked(new) else None
        if was == now and old.period_start_ms == new.period_start_ms:
            return
        if was is not None:
            self._unrank(account_id, old.period_start_ms, was)
        if now is not None:
            insort(self._ranked.setdefault((account_id, new.period_start_ms), []), now)

    def _unrank(self, account_id: str, period_start_ms: int, rank: Rank) -> None:
        ranked = self._ranked[account_id, period_start_ms]
        at = bisect_left(ranked, rank)
        assert ranked[at] == rank, f"call {rank[1]!r} of account {account_id!r} is not ranked"
        del ranked[at]
        if not ranked:
            del self._ranked[account_id, period_start_ms]

    def _keep_terms(self) -> None:
        """Keep the catalogue's plans as rows: a call is charged by the terms of its start, however late it ends.

        Raises CatalogueError when this catalogue version has already charged with other terms (rule G9).
        """
        version = self.catalogue.version
        for name, plan in self.catalogue.plans.items():
            kept = self._offers.get((name, version))
            if kept is None:
                self._apply(Decision({terms_key(name, version): Terms(plan)}), self.clock_ms)
            elif kept != plan:
                raise CatalogueError(
                    f"plans.{name} differs from what version {version} of the catalogue has charged with:"
                    " raise `version`"
                )
