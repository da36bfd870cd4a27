"""The wallet agent: takes a batch of records and returns the changed rows and the records to publish."""

from collections.abc import Mapping, Sequence

from agents.wallet.book import Book
from agents.wallet.clock import BROKER_TIME, Timing
from agents.wallet.dead_letter import UNREADABLE, add_letter, dead_letter, unreadable_letter
from agents.wallet.refused_start import answer_refused_start
from agents.wallet.signature import is_signed
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Decision, Refusal, Turn
from schemas.batch import BatchResult, Headers, Output, Record, UnreadableRecord
from schemas.codec import Unreadable, decode_input
from schemas.facts import CallAdmitted, CallRedirected, Charge, Fact, encode_fact, fact_type
from schemas.inputs import ALL_ACCOUNTS, AnyInput, input_type, moves_money
from schemas.partitioning import partition_of
from schemas.plan import Catalogue

LOG_APPEND_TIME = 1  # The type of a record timestamp that the broker set.

# How much timed work is done after a batch, in the units of `agents.wallet.book`: 50 ends of billing periods, or 4 000
# forgotten rows.
SLICE_UNITS = 4_000

_VERSION_HEADER = ("ce_specversion", b"1.0")
_SOURCE_HEADER = ("ce_source", b"/tollgate")
_CONTENT_HEADER = ("content-type", b"application/json")


class Wallets:
    """The wallets of a worker's partitions: one book per partition, with nothing shared between books."""

    def __init__(
        self,
        catalogue: Catalogue,
        signing_keys: Sequence[bytes] = (),
        partitions: int = 8,
        timing: Timing = BROKER_TIME,
        slice_units: int = SLICE_UNITS,
    ) -> None:
        self._catalogue = catalogue
        self._timing = timing
        self._slice_units = slice_units
        self._signing_keys = tuple(signing_keys)
        self._partitions = partitions
        self._books: dict[int, Book] = {}
        # The record being decided on. When a rule fails, the last line of the worker names it, so that an operator can
        # skip it.
        self.deciding: Record | None = None

    def open(self, partition: int, rows: dict[str, bytes]) -> None:
        """Open a partition whose table is restored. After CatalogueError or CorruptRowError the partition must not be
        served.
        """
        self._books[partition] = Book(self._catalogue, rows, self._timing)

    def close(self, partition: int) -> None:
        """Forget a partition that this worker no longer owns."""
        self._books.pop(partition, None)

    def decide(self, partition: int, records: Sequence[Record], *, timed: bool = True) -> BatchResult:
        """Decide on a batch in log order, then do a slice of the timed work that is due (rule G2). The result takes
        effect when it is committed together with the batch's end offset.

        Without records only a slice of timed work is done; the caller repeats that while there is `overdue` work. With
        `timed` false no timed work is done.
        """
        book = self._books[partition]
        outcome = BatchResult()
        accepted: dict[str, list[int]] = {}
        for record in records:
            self.deciding = record
            account_id = self._decide_one(book, outcome, record)
            if account_id is not None:
                accepted.setdefault(account_id, []).append(record.offset)
        self.deciding = None
        for work in book.work(self._slice_units if timed else 0):
            _publish_work(outcome, work)
        for account_id, account, clock_ms in book.changed_accounts():
            turn = Turn(book, account_id, account, account.changed_by, account.changed_at_ms, clock_ms)
            _publish_fact(outcome, take_snapshot(turn), _accepted_header(accepted.get(account_id, ())))
        outcome.rows = book.flush()
        outcome.clock_ms = book.clock_ms
        outcome.arrived_ms = self._arrived_ms(records[-1]) if records else None
        return outcome

    def _decide_one(self, book: Book, outcome: BatchResult, record: Record) -> str | None:
        """Decide on one record. Returns the account on which an input took effect, None for any other outcome."""
        if record.value is None and isinstance(record, UnreadableRecord):
            add_letter(outcome, record, UNREADABLE, unreadable_letter(record))
            return None
        event = self.read(record)
        if isinstance(event, Unreadable):
            _refuse(book, outcome, record, event)
            return None
        for work in book.catch_up(event.account_id):
            _publish_work(outcome, work)
        took_effect = _take(book, outcome, record, book.take(event, self._arrived_ms(record)))
        return event.account_id if took_effect else None

    def overdue(self, partition: int) -> bool:
        """Whether timed work is left that is due. `decide` must then be called again, even without records."""
        return self._books[partition].overdue

    def oldest_unanswered_ms(self, partition: int) -> int | None:
        """When the partition's oldest payment without an answer was requested, None when all have an answer.

        May be called from another thread, even for a partition that this worker has just lost.
        """
        book = self._books.get(partition)
        return None if book is None else book.oldest_unanswered_ms

    def _arrived_ms(self, record: Record) -> int | None:
        """The record's broker timestamp. A timestamp set by a producer does not count (the record is older than the
        topic's setting), and in a simulation none counts.
        """
        if self._timing.by_ticks or record.timestamp_type != LOG_APPEND_TIME:
            return None
        return record.timestamp

    def balances(self, partition: int) -> Mapping[str, int]:
        """The sum of the partition's balances in micros, by currency, after the last batch that was decided."""
        return self._books[partition].totals.balances()

    def gauges(self) -> dict[str, int]:
        """Totals of all partitions. `held_micros` is the exposure of rule C9.

        May be called from another thread while partitions are opened and closed.
        """
        books = list(self._books.values())
        return {
            "held_micros": sum(book.totals.held_micros for book in books),
            "open_calls": sum(book.totals.open_calls for book in books),
            "accounts": sum(book.totals.accounts for book in books),
        }

    def read(self, record: Record) -> AnyInput | Unreadable:
        """The record's input, if the record has the right key and partition and, where it moves money, a signature."""
        event = decode_input(record.value, record.headers)
        if isinstance(event, Unreadable):
            return event
        account_id = event.account_id.encode()
        if record.key != account_id:
            return Unreadable(
                "key_mismatch", "the record's key is not its `account_id`: key every record by its account"
            )
        if event.account_id != ALL_ACCOUNTS:
            home = partition_of(account_id, self._partitions)
            if record.partition != home:
                return Unreadable(
                    "wrong_partition",
                    f"the account belongs to partition {home}, not {record.partition}: partition by murmur2 of the key"
                    " (librdkafka: partitioner=murmur2_random)",
                )
        # Before repeats: an unsigned tick is refused, however old it is. Rule X4.
        if self._signing_keys and moves_money(input_type(event)) and not self._is_signed(record, event):
            return Unreadable(
                "unauthenticated", "header `signature` is missing or matches no signing key: sign the value"
            )
        return event

    def _is_signed(self, record: Record, event: AnyInput) -> bool:
        """A signature covers the value alone, so no field of a signed input may come from the headers."""
        assert record.value is not None
        return is_signed(record.value, record.headers, self._signing_keys) and decode_input(record.value) == event


def _take(book: Book, outcome: BatchResult, record: Record, decision: Decision | Refusal) -> bool:
    """Count the input by its one outcome (rule G10), and publish its facts or its dead letter. Returns whether it took
    effect: it was neither refused nor a repeat.
    """
    if isinstance(decision, Refusal):
        _refuse(book, outcome, record, decision)
        return False
    outcome.tally["inputs", "repeat" if decision.repeat else "accepted"] += 1
    _publish(outcome, decision.facts)
    return not decision.repeat


def _accepted_header(offsets: Sequence[int]) -> tuple[str, bytes]:
    """The header of a snapshot that names the account's inputs of this batch that took effect, by offset, so that a
    caller can distinguish an accepted input from a repeat. Empty when time alone has changed the account.
    """
    return ("accepted", ",".join(map(str, offsets)).encode())


def _publish_work(outcome: BatchResult, work: Decision) -> None:
    _publish(outcome, work.facts)
    outcome.dropped_plans.extend(work.dropped_plans)


def _publish(outcome: BatchResult, facts: Sequence[Fact]) -> None:
    for fact in facts:
        _publish_fact(outcome, fact)


def _publish_fact(outcome: BatchResult, fact: Fact, *more_headers: tuple[str, bytes]) -> None:
    """Publish a fact on its topics: flat JSON, with the headers of CloudEvents' binary mode and `more_headers`."""
    counted, type_header = _TYPES.get(type(fact)) or _describe(type(fact))
    outcome.tally[counted] += 1
    if isinstance(fact, Charge):
        sums = outcome.given_back_micros if fact.amount_micros < 0 else outcome.charged_micros
        sums[fact.currency] += abs(fact.amount_micros)
    elif isinstance(fact, _GATE):
        outcome.tally["gate", fact.reason] += 1
    key = fact.account_id.encode()
    headers: Headers = (
        _VERSION_HEADER,
        ("ce_id", fact.id.encode()),
        _SOURCE_HEADER,
        type_header,
        ("ce_subject", key),
        *((("ce_time", fact.occurred_at.encode()),) if fact.occurred_at else ()),
        _CONTENT_HEADER,
        *more_headers,
    )
    value = encode_fact(fact)
    for topic in fact.topics:
        outcome.outputs.append(Output(topic, key, value, headers))


_GATE = (CallAdmitted, CallRedirected)

# How facts of a type are counted, and the header with their type. Built once for each type.
_TYPES: dict[type[Fact], tuple[tuple[str, str], tuple[str, bytes]]] = {}


def _describe(fact: type[Fact]) -> tuple[tuple[str, str], tuple[str, bytes]]:
    name = fact_type(fact)
    return _TYPES.setdefault(fact, (("facts", name), ("ce_type", name.encode())))


def _refuse(book: Book, outcome: BatchResult, record: Record, refusal: Unreadable | Refusal) -> None:
    """Publish a refused input as a dead letter, a start's answer before it. Rules G10, P16 and X2."""
    for decision in answer_refused_start(book, record.value, record.headers, refusal):
        _publish(outcome, decision.facts)
    masked = isinstance(refusal, Unreadable) and refusal.masked
    letter = dead_letter(record, refusal.code, refusal.message, masked=masked)
    add_letter(outcome, record, refusal.code, letter)
