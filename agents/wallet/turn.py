"""The decision on one input while it is made: what the rules read, and what they have changed and emitted so far.

A turn is the working copy of one decision. It reads rows through a view, keeps changed rows to itself and collects the
facts to publish; nothing outside sees any of this until the decision is complete.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from agents.wallet.rating.credits import exposed_micros
from schemas.account import Account, Period, Row
from schemas.call import Call
from schemas.facts import Fact, LedgerEntryPosted
from schemas.instant import DAY_MS, format_instant
from schemas.period import period_at
from schemas.plan import AnyPlan, Catalogue, CreditsPlan
from schemas.rows import Billing, billing_key, call_key

# A reclassification does not say when its call was. A call is therefore kept for this long past the correction horizon:
# until then a reclassification that is too late is refused as such, and not kept for a call still to come (rule P17).
TOO_LATE_REPORTED_MS = 7 * DAY_MS

# A late end reaches back two periods and the upgrade hint looks at three; eight leave room for both. Periods that no
# tick has ended wait for their invoice: two at most while the clock runs, some years' worth in a log without ticks.
PERIODS_KEPT_MAX = 8
PERIODS_WAITING_MAX = 64

R = TypeVar("R", bound=Row)

_NO_PERIOD = Period(0, 0)
_NO_BILLING = Billing()


def forgotten_at_ms(view: "View", at_ms: int) -> int:
    """When a call can be forgotten whose correction horizon begins at `at_ms`. Rules G4 and P17."""
    return at_ms + view.catalogue.rules.correction_horizon_ms + TOO_LATE_REPORTED_MS


class View(Protocol):
    """What the rules may read of a partition, as it stands before the input."""

    catalogue: Catalogue

    @property
    def clock_ms(self) -> int | None:
        """The partition's clock, None before the first tick."""

    def get(self, key: str) -> Row | None:
        """The row under `key`."""

    def is_seen(self, account_id: str, input_id: str) -> bool:
        """Whether an input of this id took effect on the account (rule P7)."""

    def ranked(self, account_id: str, period_start_ms: int) -> Sequence[tuple[int, str]]:
        """The counted calls of a period that are within the correction horizon, in order (rule P2)."""

    def terms(self, plan: str, version: int) -> AnyPlan:
        """A plan as it stood in a version of the catalogue (rule G9)."""

    def allowances(self) -> Sequence[int]:
        """The distinct numbers of included calls among the terms in force."""


class Refusal(msgspec.Struct, frozen=True):
    """An input is refused: the contract's code, and what to correct. The input becomes a dead letter."""

    code: str
    message: str


class Effect(Enum):
    """What a rule did with an input that it did not refuse."""

    APPLIED = "applied"
    REPEAT = "repeat"  # Recognised as a repeat; nothing was changed (rule G4).


class Decision(msgspec.Struct, frozen=True):
    """The rows that one input changes and the facts that it emits. A recognised repeat has neither."""

    rows: dict[str, Row | None] = {}
    facts: list[Fact] = []
    repeat: bool = False


class Turn:
    """The decision on one input, or on one piece of timed work, while it is made.

    - `at_ms` is the time of the input or tick; `at` is the same as text; `cause` is its id.
      `common` holds the fields that every fact of the turn has.
    - `due_ms` is when the timed work of this turn fell due, None for an input. Only timed work may act because time has
      passed, and nothing that falls due later may come with it (rule G2).
    - `clock_ms` is the clock that the turn sees. Timed work sees its own tick, however late the work is done.
    - `instant_ms` is the later of `at_ms` and the clock. Rules that count time from an input count from it (rule G2).
    - `newest_ms` is the newest accepted `occurred_at`, this input included. `now_ms` is the later of that and the
      clock: the snapshot shows the period that holds it (rule P18), and remembered rows are kept from it on.
    - `periods` are the account's billing periods as they now stand; the end of the turn puts them into the account.
    - `keeps_id` becomes true once a row of the call remembers the input's id.
    - `extra_call_periods` are the starts of the periods in which this turn has charged an extra call.
    """

    __slots__ = (
        "_period",
        "account",
        "account_id",
        "at",
        "at_ms",
        "balance_before_micros",
        "cause",
        "clock_ms",
        "common",
        "due_ms",
        "extra_call_periods",
        "facts",
        "instant_ms",
        "keeps_id",
        "newest_ms",
        "now_ms",
        "periods",
        "rows",
        "view",
    )

    def __init__(
        self,
        view: View,
        account_id: str,
        account: Account,
        cause: str,
        at_ms: int,
        clock_ms: int | None,
        *,
        due_ms: int | None = None,
    ) -> None:
        self.view = view
        self.account_id = account_id
        self.account = account
        self.cause = cause
        self.at_ms = at_ms
        self.at = format_instant(at_ms)
        self.common: dict[str, Any] = {"account_id": account_id, "occurred_at": self.at, "caused_by": cause}
        self.due_ms = due_ms
        self.rows: dict[str, Row | None] = {}
        self.facts: list[Fact] = []
        self.periods = account.periods
        self.balance_before_micros = account.balance_micros
        self.keeps_id = False
        self.extra_call_periods: list[int] = []
        self._period = account.periods[-1] if account.periods else _NO_PERIOD
        newest_ms = account.newest_ms
        self.newest_ms = newest_ms if due_ms is not None or newest_ms > at_ms else at_ms
        self.clock_ms = clock_ms
        self.instant_ms = at_ms if clock_ms is None or clock_ms < at_ms else clock_ms
        self.now_ms = self.newest_ms if clock_ms is None or clock_ms < self.newest_ms else clock_ms

    @property
    def plan(self) -> AnyPlan:
        """The account's plan in the catalogue's current version."""
        return self.view.terms(self.account.plan, self.view.catalogue.version)

    @property
    def held_micros(self) -> int:
        """What the account's calls may still cost (rule C9). Calls of a minutes plan hold nothing."""
        plan = self.plan
        if isinstance(plan, CreditsPlan):
            return exposed_micros(self.account, self.periods, plan)
        return self.account.held_micros

    @property
    def available_micros(self) -> int:
        """Balance minus holds (rule C9)."""
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
        """The account's billing period that holds `at_ms`; a new, empty one if nothing has happened in it (rule G3)."""
        last = self._period
        if last.start_ms <= at_ms < last.end_ms:
            return last
        for period in self.periods:
            if period.start_ms <= at_ms < period.end_ms:
                break
        else:
            start_ms, end_ms = period_at(self.account.opened_at_ms, self.account.time_zone, at_ms)
            # The calls of a dropped period still count for as long as they are remembered.
            period = Period(start_ms, end_ms, len(self.view.ranked(self.account_id, start_ms)))
        self._period = period
        return period

    def put_period(self, period: Period) -> None:
        """Replace the period with the same start, or add it. The oldest one beyond PERIODS_KEPT_MAX is dropped."""
        self._period = period
        periods = self.periods
        if periods and periods[-1].start_ms == period.start_ms:
            self.periods = (*periods[:-1], period)
            return
        kept = tuple(sorted((*(p for p in periods if p.start_ms != period.start_ms), period), key=_start))
        clock_ms = self.clock_ms
        invoiced = clock_ms is not None and kept[0].end_ms <= clock_ms
        full = len(kept) > (PERIODS_KEPT_MAX if invoiced else PERIODS_WAITING_MAX)
        self.periods = _drop_oldest(kept) if full else kept

    def emit(self, fact: Fact) -> None:
        self.facts.append(fact)

    def next_alert_id(self) -> str:
        """Alerts of an account are numbered, so that each has an id of its own."""
        number = self.account.alerts + 1
        self.account = replace(self.account, alerts=number)
        return f"{self.account_id}/alert/{number}"

    def move(self, amount_micros: int, kind: str, reference: str) -> None:
        """Move the balance by a signed amount and emit the ledger entry; an amount of 0 does neither (rule P18)."""
        if amount_micros == 0:
            return
        account = self.account
        number, balance = account.ledger_entries + 1, account.balance_micros + amount_micros
        self.account = replace(account, balance_micros=balance, ledger_entries=number)
        entry_id = f"{self.account_id}/ledger/{number}"
        self.emit(
            LedgerEntryPosted(
                id=entry_id,
                **self.common,
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


def _drop_oldest(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    """The periods without the oldest. The second inherits an upgrade hint: a streak is hinted at once (rule P18)."""
    oldest, second, *others = periods
    if oldest.upgrade_hinted and oldest.end_ms == second.start_ms and second.extra_calls_charged:
        second = replace(second, upgrade_hinted=True)
    return (second, *others)
