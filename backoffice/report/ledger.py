"""Each account's ledger from its first entry: balances, and the proof that no entry is missing."""

from dataclasses import dataclass, field

from backoffice.report.facts import Entry
from backoffice.report.month import Month


@dataclass(slots=True)
class AccountLedger:
    """`opening_micros` and `closing_micros` sum the entries that occurred before the month's start and before its end.
    `month` has the month's entries with their times.
    """

    currency: str
    number: int = 0
    balance_micros: int = 0
    opening_micros: int = 0
    closing_micros: int = 0
    month: list[tuple[int, Entry]] = field(default_factory=list)


class Ledgers:
    """The ledgers by account. `broken` names each account whose chain of entries has a gap, with the gap."""

    def __init__(self, month: Month) -> None:
        self.accounts: dict[str, AccountLedger] = {}
        self.broken: dict[str, str] = {}
        self._month = month

    def add(self, at_ms: int, entry: Entry) -> bool:
        """Whether the entry is new. An entry that was there before counts once."""
        ledger = self.accounts.setdefault(entry.account_id, AccountLedger(entry.currency))
        number = entry.number
        if number <= ledger.number:
            return False
        if number > ledger.number + 1:
            missing = (
                f"entry {number - 1}" if number == ledger.number + 2 else f"entries {ledger.number + 1} to {number - 1}"
            )
            self.broken.setdefault(entry.account_id, f"{missing} before it")
        elif entry.balance_after_micros != ledger.balance_micros + entry.amount_micros:
            self.broken.setdefault(
                entry.account_id, f"the balance after entry {number} is not the balance before it plus its amount"
            )
        ledger.number, ledger.balance_micros = number, entry.balance_after_micros
        if at_ms < self._month.end_ms:
            ledger.closing_micros += entry.amount_micros
            if at_ms < self._month.start_ms:
                ledger.opening_micros += entry.amount_micros
            else:
                ledger.month.append((at_ms, entry))
        return True
