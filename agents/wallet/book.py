"""The book of one partition: its rows, what is derived from them, and the decisions applied to them.

Everything that is not a row is derived from the rows, and is the same whether it grew with the traffic or was made
anew from a restored table: which input ids were seen, which rows wait for time to pass, how a period's counted calls
rank.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import cast

from agents.wallet.decide import decide
from agents.wallet.expire import expire_row
from agents.wallet.turn import Decision, Refusal
from schemas.account import Account, Row
from schemas.call import Call, is_ranked, rank_of
from schemas.inputs import AnyInput, ClockTicked
from schemas.plan import AnyPlan, Catalogue, CreditsPlan, PlanError
from schemas.rows import CLOCK_KEY, Clock, SeenInput, Terms, decode_row, due_of, encode_row, seen_key, terms_key

Rank = tuple[int, str]
_NOTHING: tuple[Rank, ...] = ()
_NO_CALL = Call()


class Book:
    """One partition's state, as the rules read it (`agents.wallet.turn.View`) and as decisions change it.

    `rows` are the committed bytes, owned by the table. Changed rows are kept decoded until `flush` hands them over.
    """

    def __init__(self, catalogue: Catalogue, rows: dict[str, bytes]) -> None:
        self.catalogue = catalogue
        self.clock_ms: int | None = None
        self.held_micros = 0
        self.open_calls = 0
        self.accounts = 0
        self._rows = rows
        self._decoded: dict[str, Row | None] = {}
        self._changed: dict[str, None] = {}
        self._seen: set[str] = set()
        self._due: list[tuple[int, str]] = []
        self._ranked: dict[tuple[str, int], list[Rank]] = {}
        self._terms: dict[tuple[str, int], AnyPlan] = {}
        self._allowances: tuple[int, ...] = ()
        for key, value in rows.items():
            row = decode_row(key, value)
            self._derive(key, None, row)
            due_ms = due_of(row)
            if due_ms:
                self._due.append((due_ms, key))
        heapify(self._due)
        self._keep_terms()

    # What the rules read.

    def get(self, key: str) -> Row | None:
        if key in self._decoded:
            return self._decoded[key]
        value = self._rows.get(key)
        row = None if value is None else decode_row(key, value)
        self._decoded[key] = row
        return row

    def is_seen(self, account_id: str, input_id: str) -> bool:
        return seen_key(account_id, input_id) in self._seen

    def ranked(self, account_id: str, period_start_ms: int) -> Sequence[Rank]:
        return self._ranked.get((account_id, period_start_ms), _NOTHING)

    def terms(self, plan: str, version: int) -> AnyPlan:
        """The plan in that version; in its newest one when the catalogue no longer offers it."""
        known = self._terms.get((plan, version))
        if known is None:
            known = self._terms[plan, max(v for name, v in self._terms if name == plan)]
        return known

    def allowances(self) -> Sequence[int]:
        return self._allowances

    # What changes it.

    def take(self, event: AnyInput) -> Iterable[Decision | Refusal]:
        """Decide on one input and apply it: the first decision is the input's own. A tick has more, one for each row
        that was due, in order of time (rule G2).
        """
        if isinstance(event, ClockTicked):
            return self._tick(event)
        decision = decide(self, event)
        if isinstance(decision, Decision):
            self._apply(decision)
        return (decision,)

    def flush(self) -> list[tuple[str, bytes | None]]:
        """The bytes of the rows changed since the last flush, each once; None for a row that is gone."""
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

    def changed_accounts(self) -> Iterator[tuple[str, Account]]:
        for key in self._changed:
            row = self._decoded[key]
            if isinstance(row, Account):
                yield key, row

    def _tick(self, tick: ClockTicked) -> Iterator[Decision]:
        if self.clock_ms is not None and tick.occurred_at_ms <= self.clock_ms:
            yield Decision(repeat=True)
            return
        advanced = Decision({CLOCK_KEY: Clock(int(tick.occurred_at_ms))})
        self._apply(advanced)
        yield advanced
        while self._due and self._due[0][0] <= tick.occurred_at_ms:
            due_ms, key = heappop(self._due)
            row = self.get(key)
            if row is None or due_of(row) != due_ms:
                continue
            decision = expire_row(self, key, row, tick)
            self._apply(decision)
            yield decision

    def _apply(self, decision: Decision) -> None:
        for key, row in decision.rows.items():
            before = self.get(key)
            self._derive(key, before, row)
            due_ms = due_of(row)
            if due_ms and due_ms != due_of(before):
                heappush(self._due, (due_ms, key))
            self._decoded[key] = row
            self._changed[key] = None

    def _derive(self, key: str, before: Row | None, after: Row | None) -> None:
        """Keep what is derived from rows in step with one row's change; when it is due is kept by the caller."""
        kind = type(before if after is None else after)
        if kind is Account:
            self._derive_account(cast("Account | None", before), cast("Account | None", after))
        elif kind is Call:
            self._derive_call(key, cast("Call | None", before) or _NO_CALL, cast("Call | None", after) or _NO_CALL)
        elif kind is SeenInput:
            (self._seen.discard if after is None else self._seen.add)(key)
        elif isinstance(after, Clock):
            self.clock_ms = after.now_ms
        elif isinstance(after, Terms):
            _, plan, version = key.split("/")
            self._terms[plan, int(version)] = after.plan
            credits_terms = (terms for terms in self._terms.values() if isinstance(terms, CreditsPlan))
            self._allowances = tuple(sorted({terms.included_calls for terms in credits_terms}))

    def _derive_account(self, before: Account | None, after: Account | None) -> None:
        if before is None:
            self.accounts += 1
        else:
            self.held_micros -= before.held_micros
            self.open_calls -= before.open_calls
        if after is not None:
            self.held_micros += after.held_micros
            self.open_calls += after.open_calls

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
        """Keep the catalogue's plans as they now stand: calls that start today are charged by them however late they
        end.

        Raises PlanError when this version has charged with other terms (rule G9).
        """
        version = self.catalogue.version
        for name, plan in self.catalogue.plans.items():
            kept = self._terms.get((name, version))
            if kept is None:
                self._apply(Decision({terms_key(name, version): Terms(plan)}))
            elif kept != plan:
                raise PlanError(
                    f"plans.{name} differs from what version {version} of the catalogue has charged with:"
                    " raise `version`"
                )
