"""Rebuilds one partition's state from its inputs, up to the last input that is known to have been decided.

An input with a dead letter was refused. Any other input was accepted or a repeat: the same rules decide it again. Its
signature and its time are not checked, because the dead letters show which inputs those checks refused. The inputs
after the last one with an outcome are left to the next worker.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from agents.wallet.agent import Wallets
from agents.wallet.turn import Refusal
from schemas.account import Account
from schemas.call import Call
from schemas.codec import Unreadable
from schemas.inputs import ClockTicked
from schemas.plan import Catalogue
from schemas.rows import CHECKPOINT_KEY, Checkpoint, Terms, decode_row, encode_row
from stream.repair.failure import RepairError
from stream.repair.published import Published, short_digest
from stream.repair.rebuild_book import RebuildBook
from stream.repair.state import PartitionState, accounts_of, balances_of

# Inputs between two flushes: so many inputs' rows are held decoded.
FLUSH_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class RebuiltPartition:
    """A partition's state, and the numbers of its inputs. `unsure_calls` counts open calls that started while one
    catalogue version followed another: nothing published shows which of the two applies to them.
    """

    state: PartitionState
    decided: int
    refused: int
    unsure_calls: int


class PartitionRebuild:
    """Decides the inputs of one partition again, in order."""

    def __init__(
        self,
        start: PartitionState,
        catalogues: Mapping[int, Catalogue],
        published: Published,
        floor: int,
        partitions: int,
        *,
        letters_may_be_gone: bool,
    ) -> None:
        """`floor` is the offset below which every input was decided."""
        before = start.checkpoint
        self._before = before or Checkpoint(0, 0)
        self._checkpoint_row = start.rows.pop(CHECKPOINT_KEY, None)
        self._state = start
        self._entries_before = {name: account.ledger_entries for name, account in accounts_of(start.rows).items()}
        self._published = published
        self._floor = floor
        self._letters_may_be_gone = letters_may_be_gone
        self._reader = Wallets(next(iter(catalogues.values())), partitions=partitions)
        self._book = RebuildBook(catalogues, _first_version(start, catalogues), start.rows, published)
        self._problem = ""
        self._decided_ids: set[bytes] = set()
        self.next_offset = self._before.next_offset
        self.charged_micros = dict(self._before.charged_micros)
        self.given_back_micros = dict(self._before.given_back_micros)
        self.decided = self.refused = 0
        if before is not None:
            # Workers also do timed work between two inputs.
            self._do_published_work("timed work after the backup")
            self._flush(self.next_offset)

    def decide(self, record: ConsumerRecord) -> None:
        """Decide one input again. Raises RepairError once a published outcome is known to differ."""
        if record.offset >= self._floor > self.next_offset:
            self._flush(self._floor)
        if record.offset in self._published.letters:
            self.refused += 1
        else:
            self._decide_again(record)
        done = record.offset + 1
        if self._book.confirmed if done > self._floor else done - self.next_offset >= FLUSH_EVERY:
            self._flush(done)

    def finish(self) -> RebuiltPartition:
        """The state after the last decided input, checked against everything that was published."""
        if self.next_offset < self._floor:
            self._flush(self._floor)
        self._check_balances()
        self._check_all_matched()
        self._put_checkpoint()
        return RebuiltPartition(
            self._state, self.decided, self.refused, sum(map(self._is_open, self._book.unsure_calls))
        )

    def _is_open(self, key: str) -> bool:
        value = self._state.rows.get(key)
        call = None if value is None else decode_row(key, value)
        return isinstance(call, Call) and call.open

    def _decide_again(self, record: ConsumerRecord) -> None:
        event = self._reader.read(record)
        if isinstance(event, Unreadable):
            self._refuse(record, event.code)
            return
        self.decided += 1
        for _ in self._book.catch_up(event.account_id):
            pass
        gone = self._published.letter_may_be_gone(record.offset)
        self._book.letter_gone = gone and self._letters_may_be_gone
        decision = self._book.take(event)
        if isinstance(decision, Refusal):
            self._refuse(record, decision.code)
        elif decision.repeat:
            # Its facts may have been published before the backup.
            return
        self._decided_ids.add(
            short_digest(event.id) if isinstance(event, ClockTicked) else short_digest(event.account_id, event.id)
        )
        self._record_difference(f"input {_address(record)}")
        if isinstance(event, ClockTicked):
            self._do_published_work(f"timed work after input {_address(record)}")

    def _do_published_work(self, where: str) -> None:
        self._book.work_published()
        self._record_difference(where)

    def _record_difference(self, where: str) -> None:
        if self._book.difference:
            self._record_problem(f"{where}: {self._book.difference}, and no given plan catalogue explains it")

    def _refuse(self, record: ConsumerRecord, code: str) -> None:
        if not self._published.letter_may_be_gone(record.offset):
            self._record_problem(f"input {_address(record)} is refused by the rules ({code}) and has no dead letter")
        elif self._letters_may_be_gone:
            self.refused += 1
        else:
            self._record_problem(
                f"input {_address(record)} is refused by the rules ({code}); the oldest dead letters are deleted, so"
                " its own may be among them: --letters-gone treats such inputs as refused"
            )

    def _record_problem(self, problem: str) -> None:
        """Keep the first problem. It is raised once this input, or a later one, is known to have been decided."""
        self._problem = self._problem or problem

    def _flush(self, next_offset: int) -> None:
        """Keep the rows: all inputs before `next_offset` were decided. Raises RepairError with the first problem."""
        if self._problem:
            raise RepairError(f"partition {self._state.partition}: {self._problem}")
        for key, value in self._book.flush():
            if value is None:
                self._state.rows.pop(key, None)
            else:
                self._state.rows[key] = value
        _add(self.charged_micros, self._book.charged_micros)
        _add(self.given_back_micros, self._book.given_back_micros)
        self._book.confirmed = False
        self.next_offset = next_offset

    def _check_balances(self) -> None:
        """Compare each account with its last ledger entry and its last snapshot."""
        wrong = []
        accounts = accounts_of(self._state.rows)
        for account_id in sorted({*accounts, *self._published.entries, *self._published.snapshots}):
            account = accounts.get(account_id)
            entry, snapshot = self._published.entries.get(account_id), self._published.snapshots.get(account_id)
            if account is None:
                wrong.append(f"account {account_id} has published events and no row")
            elif entry and (entry.number, entry.balance_after_micros) != (
                account.ledger_entries,
                account.balance_micros,
            ):
                wrong.append(
                    f"account {account_id} has {account.balance_micros} micros after {account.ledger_entries} ledger"
                    f" entries, its last entry is number {entry.number} with {entry.balance_after_micros}"
                )
            elif entry is None and self._has_moved(account_id, account) and "ledger-entries" in self._published.whole:
                wrong.append(f"account {account_id} has {account.ledger_entries} ledger entries, none is published")
            elif snapshot and snapshot.version != account.version:
                wrong.append(
                    f"account {account_id} changed {account.version} times, its snapshot counts {snapshot.version}"
                )
        if wrong:
            raise RepairError(
                f"partition {self._state.partition}: {len(wrong)} of {len(accounts)} accounts differ from what was"
                f" published; the first: {wrong[0]}"
            )

    def _has_moved(self, account_id: str, account: Account) -> bool:
        """Whether its wallet has moved since the backup, which may come from another cluster."""
        return account.ledger_entries > self._entries_before.get(account_id, 0)

    def _check_all_matched(self) -> None:
        for both, cause, offset in self._published.unmatched():
            if both in self._decided_ids or cause in self._decided_ids:
                raise RepairError(
                    f"partition {self._state.partition}: an event at offset {offset} of its topic was published, but"
                    " the same inputs do not give it again"
                )

    def _put_checkpoint(self) -> None:
        rows = self._state.rows
        if not rows and not self.next_offset:
            return
        checkpoint = Checkpoint(
            next_offset=self.next_offset,
            rows=len(rows),
            balances=balances_of(rows),
            charged_micros=dict(sorted(self.charged_micros.items())),
            given_back_micros=dict(sorted(self.given_back_micros.items())),
        )
        rows[CHECKPOINT_KEY] = encode_row(CHECKPOINT_KEY, checkpoint, self._checkpoint_row)


def _first_version(start: PartitionState, catalogues: Mapping[int, Catalogue]) -> int:
    """The newest catalogue version that the state was charged with; without any, the oldest given."""
    known = [
        int(key.rpartition("/")[2])
        for key, value in start.rows.items()
        if key.startswith("*/") and isinstance(decode_row(key, value), Terms)
    ]
    if not known:
        return min(catalogues)
    if max(known) not in catalogues:
        raise RepairError(f"the backup was charged with version {max(known)} of the catalogue: add it with --plans")
    return max(known)


def _address(record: ConsumerRecord) -> str:
    return f"{record.topic}/{record.partition}, offset {record.offset},"


def _add(to: dict[str, int], more: Counter[str]) -> None:
    """Add as the worker does: without currencies in which nothing was charged."""
    for currency, micros in more.items():
        if micros:
            to[currency] = to.get(currency, 0) + micros
    more.clear()
