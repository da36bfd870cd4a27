"""One input's turn: what the rules read, and what they have changed and said so far.

A turn is the working copy of one decision. It reads rows through a view, keeps the changed ones to itself and
collects the facts; nothing outside sees any of it before the decision is whole.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from agents.wallet.exposure import exposed_micros
from agents.wallet.period import period_at
from schemas.account import Account, Period, Row
from schemas.call import Call
from schemas.facts import Fact, LedgerEntryPosted
from schemas.instant import DAY_MS, format_instant
from schemas.plan import AnyPlan, Catalogue, CreditsPlan
from schemas.rows import Billing, billing_key, call_key

# How long a call is kept past the correction horizon, so that a reclassification, which does not say when the call was,
# is told that it is too late instead of being kept for a call to come (rule P17).
TOO_LATE_TOLD_MS = 7 * DAY_MS

# A late end can still reach back two periods and the upgrade hint looks at three: eight leave room for both. Periods
# that no tick has ended wait for their invoice: two at most while the clock runs, some years in a log without one.
PERIODS_KEPT_MAX = 8
PERIODS_WAITING_MAX = 64

R = TypeVar("R", bound=Row)

_NO_PERIOD = Period(0, 0)
_NO_BILLING = Billing()


def forgotten_at_ms(view: "View", at_ms: int) -> int:
    """When a call is forgotten that is corrected for one horizon after `at_ms`. Rules G4 and P17."""
    return at_ms + view.catalogue.rules.correction_horizon_ms + TOO_LATE_TOLD_MS


class View(Protocol):
    """What the rules may read of a partition, as it stands before the input."""

    catalogue: Catalogue
    clock_ms: int | None

    def get(self, key: str) -> Row | None:
        """The row under `key`."""

    def is_seen(self, account_id: str, input_id: str) -> bool:
        """Whether an input of this id took effect on the account (rule P7)."""

    def ranked(self, account_id: str, period_start_ms: int) -> Sequence[tuple[int, str]]:
        """The counted calls of a period that are within the correction horizon, in order (rule P2)."""

    def terms(self, plan: str, version: int) -> AnyPlan:
        """A plan as it stood in a version of the catalogue (rule G9)."""

    def allowances(self) -> Sequence[int]:
        """The different numbers of included calls that terms in force have."""


class Refusal(msgspec.Struct, frozen=True):
    """An input that has no effect, with the contract's code and what to mend. Becomes a dead letter."""

    code: str
    message: str


class Decision(msgspec.Struct, frozen=True):
    """What one input changes and says. A recognised repeat changes nothing and says nothing."""

    rows: dict[str, Row | None] = {}
    facts: list[Fact] = []
    repeat: bool = False


class Turn:
    """The decision on one input, being made. `at` is the input's time as the facts write it, `cause` its id.

    `ticked` when the input is a tick: only then may a rule act because time has passed (rule G2). `newest_ms` is the
    newest accepted input, this one included, and `now_ms` the later of that and the clock: when the account's timed
    rules think it is (rule P18). `periods` are the account's billing periods as they now stand: they join the account
    at the end of the turn. `keeps_id` once a row of the call remembers the input's id; `extra_call_periods` are the
    starts of the periods in which this turn has charged an extra call.
    """

    __slots__ = (
        "_period",
        "account",
        "account_id",
        "at",
        "at_ms",
        "balance_before_micros",
        "cause",
        "extra_call_periods",
        "facts",
        "keeps_id",
        "newest_ms",
        "now_ms",
        "periods",
        "rows",
        "ticked",
        "view",
    )

    def __init__(
        self, view: View, account_id: str, account: Account, cause: str, at_ms: int, *, ticked: bool = False
    ) -> None:
        self.view = view
        self.account_id = account_id
        self.account = account
        self.cause = cause
        self.at_ms = at_ms
        self.at = format_instant(at_ms)
        self.ticked = ticked
        self.rows: dict[str, Row | None] = {}
        self.facts: list[Fact] = []
        self.periods = account.periods
        self.balance_before_micros = account.balance_micros
        self.keeps_id = False
        self.extra_call_periods: list[int] = []
        self._period = account.periods[-1] if account.periods else _NO_PERIOD
        newest_ms = account.newest_ms
        self.newest_ms = newest_ms if ticked or newest_ms > at_ms else at_ms
        clock_ms = view.clock_ms
        self.now_ms = self.newest_ms if clock_ms is None or clock_ms < self.newest_ms else clock_ms

    @property
    def plan(self) -> AnyPlan:
        """The account's plan as it stands today."""
        return self.view.terms(self.account.plan, self.view.catalogue.version)

    @property
    def held_micros(self) -> int:
        """What calls may still cost (rule C9); those of a minutes plan hold nothing."""
        plan = self.plan
        if isinstance(plan, CreditsPlan):
            return exposed_micros(self.account, self.periods, plan)
        return self.account.held_micros

    @property
    def available_micros(self) -> int:
        """Balance less holds (rule C9)."""
        return self.account.balance_micros - self.held_micros

    def get(self, key: str, kind: type[R]) -> R | None:
        row = self.rows[key] if key in self.rows else self.view.get(key)
        assert row is None or type(row) is kind, f"row {key!r} is a {type(row).__name__}, not a {kind.__name__}"
        return row

    def call(self, call_id: str) -> Call | None:
        return self.get(call_key(self.account_id, call_id), Call)

    def put_call(self, call_id: str, call: Call) -> None:
        self.rows[call_key(self.account_id, call_id)] = call

    @property
    def billing(self) -> Billing:
        return self.get(billing_key(self.account_id), Billing) or _NO_BILLING

    @billing.setter
    def billing(self, billing: Billing) -> None:
        self.rows[billing_key(self.account_id)] = billing

    def period(self, at_ms: int) -> Period:
        """The account's billing period that holds `at_ms`, empty if nothing has happened in it (rule G3)."""
        last = self._period
        if last.start_ms <= at_ms < last.end_ms:
            return last
        for period in self.periods:
            if period.start_ms <= at_ms < period.end_ms:
                break
        else:
            start_ms, end_ms = period_at(self.account.opened_at_ms, self.account.time_zone, at_ms)
            # A period that was let go still counts its calls as long as they are remembered.
            period = Period(start_ms, end_ms, len(self.view.ranked(self.account_id, start_ms)))
        self._period = period
        return period

    def put_period(self, period: Period) -> None:
        """Replace the period of the same start, or add it; the oldest beyond PERIODS_KEPT_MAX is let go."""
        self._period = period
        periods = self.periods
        if periods and periods[-1].start_ms == period.start_ms:
            self.periods = (*periods[:-1], period)
            return
        kept = tuple(sorted((*(p for p in periods if p.start_ms != period.start_ms), period), key=_start))
        clock_ms = self.view.clock_ms
        invoiced = clock_ms is not None and kept[0].end_ms <= clock_ms
        full = len(kept) > (PERIODS_KEPT_MAX if invoiced else PERIODS_WAITING_MAX)
        self.periods = _let_oldest_go(kept) if full else kept

    def say(self, fact: Fact) -> None:
        self.facts.append(fact)

    def next_alert_id(self) -> str:
        number = self.account.alerts + 1
        self.account = replace(self.account, alerts=number)
        return f"{self.account_id}/alert/{number}"

    def move(self, amount_micros: int, kind: str, reference: str) -> None:
        """Move the wallet by a signed amount and post it on the ledger. Nothing for 0 (rule P18)."""
        if amount_micros == 0:
            return
        account = self.account
        number, balance = account.ledger_entries + 1, account.balance_micros + amount_micros
        self.account = replace(account, balance_micros=balance, ledger_entries=number)
        entry_id = f"{self.account_id}/ledger/{number}"
        self.say(
            LedgerEntryPosted(
                id=entry_id,
                account_id=self.account_id,
                occurred_at=self.at,
                caused_by=self.cause,
                entry_id=entry_id,
                kind=kind,
                amount_micros=amount_micros,
                currency=account.currency,
                balance_after_micros=balance,
                reference=reference,
            )
        )


def _start(period: Period) -> int:
    return period.start_ms


def _let_oldest_go(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    """Without the oldest; a streak that was hinted at stays hinted at (rule P18)."""
    oldest, second, *others = periods
    if oldest.upgrade_hinted and oldest.end_ms == second.start_ms and second.extra_calls_charged:
        second = replace(second, upgrade_hinted=True)
    return (second, *others)
