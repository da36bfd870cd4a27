"""The accounts' states at the month's end, where their snapshots are not compacted away yet."""

from backoffice.report.facts import Snapshot
from backoffice.report.month import Month


class Snapshots:
    """The newest snapshot of each account from before the month's end."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._newest: dict[str, tuple[int, Snapshot]] = {}
        self._first_after: dict[str, int] = {}

    def add(self, at_ms: int, snapshot: Snapshot) -> None:
        account_id, version = snapshot.account_id, snapshot.version
        if at_ms >= self._month.end_ms:
            self._first_after[account_id] = min(version, self._first_after.get(account_id, version))
            return
        known = self._newest.get(account_id)
        if known is None or known[1].version < version:
            self._newest[account_id] = at_ms, snapshot

    def accounts(self) -> set[str]:
        return set(self._newest)

    def at_end(self, account_id: str) -> tuple[int, Snapshot] | None:
        """The account's state at the month's end with its time. None when it is not known: also when an input that
        arrived after the month, but occurred in it, came between.
        """
        found = self._newest.get(account_id)
        first_after = self._first_after.get(account_id)
        return None if found is None or (first_after is not None and first_after < found[1].version) else found
