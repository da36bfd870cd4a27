"""The decision on one input while it is made: what the rules read, and what they have changed and emitted so far.

A turn is the working copy of one decision. It reads rows through a view, keeps changed rows to itself and collects the
facts to publish; nothing outside sees any of this until the decision is complete.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from agents.wallet.billing.upgrade import BILLING_VERSION, upgrade
from agents.wallet.funds.lots import use_returned
from agents.wallet.periods import with_period
from agents.wallet.rating.credits import reserved_micros
from schemas.account import Account, Period, Row
from schemas.billing import Billing
from schemas.call import Call
from schemas.currencies import Currency
from schemas.facts import Fact, LedgerEntryPosted
from schemas.instant import DAY_MS, format_instant
from schemas.period import period_at
from schemas.plan import AnyPlan, Catalogue
from schemas.rows import billing_key, call_key

# A reclassification does not say when its call was. A call is therefore kept for this long past the correction horizon:
# until then a reclassification that is too late is refused as such, and not kept for a call still to come (rule P17).
TOO_LATE_REPORTED_MS = 7 * DAY_MS

R = TypeVar("R", bound=Row)

_NO_PERIOD = Period(0, 0)
_UNKNOWN_BILLING = Billing()
_NO_BILLING = Billing(version=BILLING_VERSION)
_FROM_LOTS = frozenset({"refund", "reversal"})  # Ledger entries that take credits of a certain lot first.


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

    def is_seen(self, key: str) -> bool:
        """Whether the id under this key of a SeenInput is remembered (rule P7)."""

    def ranked(self, account_id: str, period_start_ms: int) -> Sequence[tuple[int, str]]:
        """The counted calls of a period that are within the correction horizon, in order (rule P2)."""

    def unanswered(self, account_id: str) -> Sequence[str]:
        """The ids of the account's payments without an answer, in no particular order."""

    def terms(self, plan: str, version: int, currency: str) -> AnyPlan:
        """A plan as it stood in a version of the catalogue, with its prices in a currency (rules G9 and K1)."""

    def allowances(self) -> Sequence[int]:
        """The distinct numbers of included calls among the terms in force."""


class Refusal(msgspec.Struct, frozen=True):
    """An input is refused: the contract's code, and what to correct. The input becomes a dead letter."""

    code: str
    message: str


class Effect(Enum):
    """What a rule did with an input that it did not refuse."""

    APPLIED = "applied"
    # Recognised as a repeat (rules G4 and P7). The rule has changed nothing, or noted a leg's start on its call (L5).
    REPEAT = "repeat"


class Decision(msgspec.Struct, frozen=True):
    """The rows that one input changes and the facts that it emits. A recognised repeat has no facts, and no row but its
    id's.

    `dropped_plans` are accounts whose scheduled plan change could not be made, each with the plan (rule K3).
    """

    rows: dict[str, Row | None] = {}
    facts: list[Fact] = []
    repeat: bool = False
    dropped_plans: tuple[tuple[str, str], ...] = ()


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
    - `keeps_id` becomes true once a row of the call remembers the input's id. `id_due_ms` is when it is forgotten, 0
      for never, None for one horizon from now.
    - `dropped_plan` is the plan of a change that was due and could not be made (rule K3).
    - `extra_call_periods` are the starts of the periods in which this turn has charged an extra call.
    - `funds_moved` are the movements of the balance, kind and amount, that no call caused.
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
        "dropped_plan",
        "due_ms",
        "extra_call_periods",
        "facts",
        "funds_moved",
        "id_due_ms",
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
        self.dropped_plan = ""
        self.id_due_ms: int | None = None
        self.extra_call_periods: list[int] = []
        self.funds_moved: list[tuple[str, int]] = []
        self._period = account.periods[-1] if account.periods else _NO_PERIOD
        newest_ms = account.newest_ms
        self.newest_ms = newest_ms if due_ms is not None or newest_ms > at_ms else at_ms
        self.clock_ms = clock_ms
        self.instant_ms = at_ms if clock_ms is None or clock_ms < at_ms else clock_ms
        self.now_ms = self.newest_ms if clock_ms is None or clock_ms < self.newest_ms else clock_ms

    @property
    def plan(self) -> AnyPlan:
        """The account's plan in the catalogue's current version, with its prices in the account's currency."""
        account = self.account
        return self.view.terms(account.plan, self.view.catalogue.version, account.currency)

    def terms(self, plan: str, version: int) -> AnyPlan:
        """A plan in a version of the catalogue, with its prices in the account's currency."""
        return self.view.terms(plan, version, self.account.currency)

    def offered(self, plan: str) -> AnyPlan | None:
        """A plan as the catalogue offers it now, with its prices in the account's currency; None if it does not."""
        offer = self.view.catalogue.plans.get(plan)
        return None if offer is None else offer.priced_in(self.account.currency)

    @property
    def currency(self) -> Currency:
        """What an amount of the account can be."""
        return self.view.catalogue.currency(self.account.currency)

    @property
    def held_micros(self) -> int:
        """What the account's calls may still cost, by the terms that each call started under (rules C9 and P0).
        Calls of a minutes plan hold nothing.
        """
        account = self.account
        version = self.view.catalogue.version
        return account.held_micros + reserved_micros(self.periods, self.terms, account.plan, version)

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
        billing = self.get(billing_key(self.account_id), Billing)
        if billing is None:
            billing = _NO_BILLING if self.account.billed_from_ms else _UNKNOWN_BILLING
        if billing.version == BILLING_VERSION:
            return billing
        upgrade(self, billing)
        return self.billing

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
        """Replace the period with the same start, or add it. The oldest one beyond those kept is dropped."""
        self._period = period
        periods = self.periods
        if periods and periods[-1].start_ms == period.start_ms:
            self.periods = (*periods[:-1], period)
        else:
            hint_periods = self.view.catalogue.rules.upgrade_hint_periods
            self.periods = with_period(self.account, periods, period, self.clock_ms, hint_periods)

    def emit(self, fact: Fact) -> None:
        self.facts.append(fact)

    def next_alert_id(self) -> str:
        """Alerts of an account are numbered, so that each has an id of its own."""
        number = self.account.alerts + 1
        self.account = replace(self.account, alerts=number)
        return f"{self.account_id}/alert/{number}"

    def move(self, amount_micros: int, kind: str, reference: str, *, by_call: bool = False) -> None:
        """Move the balance by a signed amount and emit the ledger entry; an amount of 0 does neither (rule P18)."""
        if amount_micros == 0:
            return
        if not by_call:
            self.funds_moved.append((kind, amount_micros))
        account = self.account
        if account.holes and amount_micros < 0 and kind not in _FROM_LOTS:
            account = use_returned(account, -amount_micros)
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
