"""The time of one partition: what inputs and ticks are checked against, and the work that waits for its due time. Rule
G2.

Where much work falls due at once it is done later than its tick: in slices between batches, and for one account before
its next input. It must give the same bytes whenever it is done. Therefore ticks with undone work are remembered, and
each piece of work is done as if by the first tick at or after its due time.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

import msgspec

from agents.wallet.turn import Refusal
from schemas.account import Account, Row
from schemas.rows import due_of


class Timing(msgspec.Struct, frozen=True):
    """`by_ticks` is for simulations: ticks alone define the time, and broker timestamps do not count. Otherwise a tick
    may be at most `tick_ahead_max_ms` ahead of its own broker timestamp.
    """

    by_ticks: bool = False
    tick_ahead_max_ms: int = 60_000

    def now_ms(self, clock_ms: int | None, arrived_ms: int | None) -> int | None:
        """What `future_time` is checked against; None when the time of arrival is unknown: then it is not checked."""
        if self.by_ticks:
            return clock_ms
        if arrived_ms is None or clock_ms is None:
            return arrived_ms
        return max(arrived_ms, clock_ms)

    def refuse_tick(self, at_ms: int, arrived_ms: int | None) -> Refusal | None:
        """Refuse a tick that is far ahead of the broker's clock: it would move time for every account."""
        if self.by_ticks or arrived_ms is None or at_ms - arrived_ms <= self.tick_ahead_max_ms:
            return None
        ahead_ms, most_ms = at_ms - arrived_ms, self.tick_ahead_max_ms
        return Refusal(
            "future_time", f"the tick is {ahead_ms} ms ahead of its broker timestamp: at most {most_ms} ms are allowed"
        )


BROKER_TIME = Timing()

Tick = tuple[int, str]  # Its time in milliseconds, and its id.


class Work(msgspec.Struct, frozen=True, gc=False):
    """A row that is due, and the tick that counts as having made it due."""

    key: str
    row: Row
    tick: Tick


class TimedWork:
    """The queue of timed work. `clock_ms` is the greatest tick accepted, None before the first.

    Each account has a heap of (due time, row key), and the partition has one of (earliest due time, account), so one
    look-up shows whether an account has overdue work. Entries that a later change has replaced are dropped when they
    are due.
    """

    def __init__(self, get: Callable[[str], Row | None]) -> None:
        self.clock_ms: int | None = None
        self.ticks: list[Tick] = []
        self._get = get
        self._now_ms = -1  # The clock, comparable before the first tick.
        self._rows: dict[str, list[tuple[int, str]]] = {}
        self._accounts: list[tuple[int, str]] = []
        # The due time under which an account is in `_accounts`; entries with another due time are replaced ones.
        self._least: dict[str, int] = {}
        # Accounts with work that was already due when an input added it: the next tick does it.
        self._next_tick: set[str] = set()

    def restore(self, now_ms: int | None, ticks: Iterable[Tick], entries: Iterable[tuple[int, str]]) -> None:
        """Fill the queue from the rows of a restored table."""
        self._set_clock(now_ms)
        self.ticks = list(ticks)
        for due_ms, key in entries:
            self._rows.setdefault(_account_of(key), []).append((due_ms, key))
        newest_ms = self.ticks[-1][0] if self.ticks else -1
        for account_id, rows in self._rows.items():
            heapify(rows)
            due_ms = rows[0][0]
            if due_ms <= self._now_ms and newest_ms < max(due_ms, self._ticks_from_ms(account_id)):
                self._next_tick.add(account_id)
            else:
                self._least[account_id] = due_ms
        self._accounts = [(due_ms, account_id) for account_id, due_ms in self._least.items()]
        heapify(self._accounts)

    def tick(self, at_ms: int, tick_id: str) -> None:
        """Advance the clock to `at_ms`, which is later than the clock."""
        self._set_clock(at_ms)
        self.ticks.append((at_ms, tick_id))
        for account_id in self._next_tick:
            self._place(account_id, self._rows[account_id][0][0])
        self._next_tick.clear()

    def add(self, key: str, due_ms: int, *, by_input: bool) -> None:
        """Make the row due at `due_ms`. Work that an input adds when it is already due waits for the next tick."""
        account_id = _account_of(key)
        rows = self._rows.get(account_id)
        if rows is None:
            rows = self._rows[account_id] = []
        heappush(rows, (due_ms, key))
        if by_input and due_ms <= self._now_ms:
            self._next_tick.add(account_id)
            self._least.pop(account_id, None)
        elif rows[0][0] == due_ms != self._least.get(account_id) and account_id not in self._next_tick:
            self._place(account_id, due_ms)

    def is_overdue(self, account_id: str) -> bool:
        """Whether the account may have work that must be done before its next input."""
        due_ms = self._least.get(account_id)
        return due_ms is not None and due_ms <= self._now_ms

    @property
    def overdue(self) -> bool:
        """Whether any account may have work that is due."""
        accounts = self._accounts
        while accounts and accounts[0][0] <= self._now_ms:
            due_ms, account_id = accounts[0]
            if self._least.get(account_id) == due_ms:
                return True
            heappop(accounts)
        return False

    def take(self, account_id: str) -> Work | None:
        """Remove the account's earliest entry, which is overdue; None when a later change has replaced it."""
        rows = self._rows[account_id]
        due_ms, key = heappop(rows)
        if rows:
            self._place(account_id, rows[0][0])
        else:
            del self._rows[account_id], self._least[account_id]
        row = self._get(key)
        if row is None or due_of(row) != due_ms:
            return None
        first_ms = max(due_ms, self._ticks_from_ms(account_id))
        return Work(key, row, self.ticks[bisect_left(self.ticks, (first_ms, ""))])

    def take_first(self) -> Work | None:
        """The same for the account whose work was due first. Requires `overdue` work."""
        return self.take(self._accounts[0][1])

    def forget_ticks(self) -> None:
        """Forget ticks whose work is done. Usually none is left."""
        if not self.overdue:
            self.ticks.clear()
        elif len(self.ticks) > 1:
            del self.ticks[: bisect_left(self.ticks, (self._accounts[0][0], ""))]

    def _set_clock(self, at_ms: int | None) -> None:
        self.clock_ms = at_ms
        self._now_ms = -1 if at_ms is None else at_ms

    def _place(self, account_id: str, due_ms: int) -> None:
        self._least[account_id] = due_ms
        heappush(self._accounts, (due_ms, account_id))

    def _ticks_from_ms(self, account_id: str) -> int:
        account = self._get(account_id)
        return account.ticks_from_ms if isinstance(account, Account) else 0


def _account_of(key: str) -> str:
    return key.partition("/")[0]
