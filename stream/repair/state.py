"""One partition's rows, and the check that they match the partition's checkpoint."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.account import Account
from schemas.rows import CHECKPOINT_KEY, Checkpoint, CorruptRowError, decode_row


@dataclass(slots=True)
class PartitionState:
    """The rows of one partition by key, with the changelog's bytes. The checkpoint's own row is one of them."""

    partition: int
    rows: dict[str, bytes] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """None if no worker has written it yet."""
        value = self.rows.get(CHECKPOINT_KEY)
        if value is None:
            return None
        row = decode_row(CHECKPOINT_KEY, value)
        assert isinstance(row, Checkpoint)
        return row


def accounts_of(rows: dict[str, bytes]) -> dict[str, Account]:
    """The accounts among the rows, by id."""
    found = {}
    for key, value in rows.items():
        if "/" not in key and key != "*":
            row = decode_row(key, value)
            assert isinstance(row, Account)
            found[key] = row
    return found


def balances_of(rows: dict[str, bytes]) -> dict[str, int]:
    """The sum of the accounts' balances in micros, by currency, without currencies whose sum is 0."""
    sums: Counter[str] = Counter()
    for account in accounts_of(rows).values():
        sums[account.currency] += account.balance_micros
    return {currency: micros for currency, micros in sorted(sums.items()) if micros}


def check_state(state: PartitionState) -> None:
    """Raises CorruptRowError, naming partition and difference, if the rows do not match the checkpoint."""
    checkpoint = state.checkpoint
    if checkpoint is None:
        if state.rows:
            raise CorruptRowError(
                f"partition {state.partition} has {len(state.rows)} rows and no checkpoint: they were written by an"
                " earlier version; run the new worker once, which writes it with its first batch"
            )
        return
    rows = len(state.rows) - 1
    if rows != checkpoint.rows:
        raise CorruptRowError(
            f"partition {state.partition} has {rows} rows, its checkpoint counts {checkpoint.rows}: state was lost"
        )
    for key, value in state.rows.items():
        decode_row(key, value)
    balances = balances_of(state.rows)
    expected = {currency: micros for currency, micros in checkpoint.balances.items() if micros}
    if balances != expected:
        raise CorruptRowError(
            f"partition {state.partition} has balances of {_money(balances)}, its checkpoint has {_money(expected)}:"
            " state was lost"
        )


def _money(balances: dict[str, int]) -> str:
    return ", ".join(f"{micros} {currency} micros" for currency, micros in sorted(balances.items())) or "0 micros"
