"""Totals of one partition, updated with each changed row: what its accounts hold, and which payments have no answer."""

from collections import Counter
from heapq import heappop, heappush

from schemas.account import Account, Row
from schemas.payment_rows import Payment


class AccountTotals:
    """The number of accounts, their open calls, their holds and their balances. Money in micros."""

    def __init__(self) -> None:
        self.held_micros = 0
        self.open_calls = 0
        self.accounts = 0
        self._balances: Counter[str] = Counter()

    def update(self, before: Account | None, after: Account | None) -> None:
        """Apply one account's change; None where there is no account."""
        if before is None:
            self.accounts += 1
        else:
            self.held_micros -= before.held_micros
            self.open_calls -= before.open_calls
            self._balances[before.currency] -= before.balance_micros
        if after is not None:
            self.held_micros += after.held_micros
            self.open_calls += after.open_calls
            self._balances[after.currency] += after.balance_micros

    def balances(self) -> dict[str, int]:
        """The sum of the balances by currency. A currency with the sum 0 is left out, because the rows do not say
        whether the currency was ever used.
        """
        return {currency: micros for currency, micros in sorted(self._balances.items()) if micros}


class UnansweredPayments:
    """When each payment without an answer was requested, and which of them an account has. Answered ones leave the heap
    once they are the oldest in it.
    """

    def __init__(self) -> None:
        self._requested_ms: dict[str, int] = {}
        # Most accounts have none, and almost all others one. Those without are not in it.
        self._of_account: dict[str, tuple[str, ...]] = {}
        self._oldest: list[tuple[int, str]] = []

    def update(self, key: str, payment: Row | None) -> None:
        """Apply a payment's row as it now stands, None when it is removed."""
        if not isinstance(payment, Payment) or payment.status != "requested":
            if self._requested_ms.pop(key, None) is not None:
                self._forget(key)
        elif key not in self._requested_ms:
            self._requested_ms[key] = payment.requested_at_ms
            heappush(self._oldest, (payment.requested_at_ms, key))
            account_id, _, payment_id = key.split("/", 2)
            self._of_account[account_id] = (*self._of_account.get(account_id, ()), payment_id)

    def _forget(self, key: str) -> None:
        account_id, _, payment_id = key.split("/", 2)
        left = tuple([other for other in self._of_account[account_id] if other != payment_id])
        if left:
            self._of_account[account_id] = left
        else:
            del self._of_account[account_id]

    def of_account(self, account_id: str) -> tuple[str, ...]:
        """The ids of the account's payments without an answer, in no particular order."""
        return self._of_account.get(account_id, ())

    def finish_restore(self, clock_ms: int) -> None:
        """Give rows of earlier versions, which have no time of request, the clock at the restore."""
        self._requested_ms = {key: at_ms or clock_ms for key, at_ms in self._requested_ms.items()}
        self._oldest = sorted((at_ms, key) for key, at_ms in self._requested_ms.items())

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest one was requested, None when there is none."""
        oldest = self._oldest
        while oldest and self._requested_ms.get(oldest[0][1]) != oldest[0][0]:
            heappop(oldest)
        return oldest[0][0] if oldest else None
