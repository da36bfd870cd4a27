"""The wallet agent's shell: a batch of records in, changed rows and records to publish out."""

from collections.abc import Iterable, Sequence

from agents.wallet.book import Book
from agents.wallet.signature import is_signed
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Decision, Refusal, Turn
from schemas.batch import Headers, Outcome, Output, Record
from schemas.card_number import record_may_hold_card_number
from schemas.codec import Unreadable, decode_input
from schemas.facts import CallAdmitted, CallRedirected, Charge, Fact, encode_fact, fact_type
from schemas.inputs import ALL_ACCOUNTS, AnyInput, input_type, moves_money
from schemas.partitioning import partition_of
from schemas.plan import Catalogue

DEAD_LETTERS = "dead-letters"
_MASKED = b'{"masked":true}'
_VERSION_HEADER = ("ce_specversion", b"1.0")
_SOURCE_HEADER = ("ce_source", b"/tollgate")
_CONTENT_HEADER = ("content-type", b"application/json")


class Wallets:
    """The wallets of the partitions that a worker has. One book a partition, and nothing shared between two of them."""

    def __init__(self, catalogue: Catalogue, signing_keys: Sequence[bytes] = (), partitions: int = 8) -> None:
        self._catalogue = catalogue
        self._signing_keys = tuple(signing_keys)
        self._partitions = partitions
        self._books: dict[int, Book] = {}

    def open(self, partition: int, rows: dict[str, bytes]) -> None:
        """Take over a partition whose table is restored. Raises PlanError or CorruptRowError: then it must not be
        served.
        """
        self._books[partition] = Book(self._catalogue, rows)

    def close(self, partition: int) -> None:
        """Forget a partition that was taken away."""
        self._books.pop(partition, None)

    def decide(self, partition: int, records: Sequence[Record]) -> Outcome:
        """Decide on a batch in log order. Nothing of it counts until its outcome is committed with the batch's end
        offset.
        """
        book = self._books[partition]
        outcome = Outcome()
        for record in records:
            event = self._read(record)
            if isinstance(event, Unreadable):
                _bury(outcome, record, event.code, event.message, masked=event.masked)
                continue
            _publish(outcome, record, book.take(event))
        for account_id, account in book.changed_accounts():
            _say(outcome, take_snapshot(Turn(book, account_id, account, account.changed_by, account.changed_at_ms)))
        outcome.rows = book.flush()
        return outcome

    def gauges(self) -> dict[str, int]:
        """What the wallets hold together now. The exposure of rule C9 is `held_micros`."""
        books = self._books.values()
        return {
            "held_micros": sum(book.held_micros for book in books),
            "open_calls": sum(book.open_calls for book in books),
            "accounts": sum(book.accounts for book in books),
        }

    def _read(self, record: Record) -> AnyInput | Unreadable:
        """The input of a record that is where it belongs and, where it moves money, signed."""
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
        if self._signing_keys and moves_money(input_type(event)) and not self._is_signed(record, event):
            return Unreadable(
                "unauthenticated", "header `signature` is missing or matches no signing key: sign the value"
            )
        return event

    def _is_signed(self, record: Record, event: AnyInput) -> bool:
        """A signature covers the value alone: nothing that money hangs on may come from the headers beside it."""
        assert record.value is not None
        return is_signed(record.value, record.headers, self._signing_keys) and decode_input(record.value) == event


def _publish(outcome: Outcome, record: Record, decisions: Iterable[Decision | Refusal]) -> None:
    """Count the input by the one outcome it had (rule G10), and publish what it says."""
    counted = False
    for decision in decisions:
        if isinstance(decision, Refusal):
            _bury(outcome, record, decision.code, decision.message)
            return
        if not counted:
            outcome.tally["inputs", "repeat" if decision.repeat else "accepted"] += 1
            counted = True
        for fact in decision.facts:
            _say(outcome, fact)


def _say(outcome: Outcome, fact: Fact) -> None:
    """Publish a fact on its topics, flat, with the headers of CloudEvents' binary mode beside it."""
    counted, type_header = _KNOWN.get(type(fact)) or _know(type(fact))
    outcome.tally[counted] += 1
    if isinstance(fact, Charge):
        outcome.charged_micros[fact.currency] += fact.amount_micros
    elif isinstance(fact, _GATE):
        outcome.tally["gate", fact.reason] += 1
    key = fact.account_id.encode()
    headers = (
        _VERSION_HEADER,
        ("ce_id", fact.id.encode()),
        _SOURCE_HEADER,
        type_header,
        ("ce_subject", key),
        ("ce_time", fact.occurred_at.encode()),
        _CONTENT_HEADER,
    )
    value = encode_fact(fact)
    for topic in fact.topics:
        outcome.outputs.append(Output(topic, key, value, headers))


_GATE = (CallAdmitted, CallRedirected)

# How facts of a type are counted, and their type's header: the same for each of them, so made once.
_KNOWN: dict[type[Fact], tuple[tuple[str, str], tuple[str, bytes]]] = {}


def _know(fact: type[Fact]) -> tuple[tuple[str, str], tuple[str, bytes]]:
    name = fact_type(fact)
    return _KNOWN.setdefault(fact, (("facts", name), ("ce_type", name.encode())))


def _bury(outcome: Outcome, record: Record, code: str, message: str, *, masked: bool = False) -> None:
    """Publish an input that has no effect as it came, with its address and the reason. Rule G10, and P16 where it is
    masked.
    """
    outcome.tally["inputs", "dead_letter"] += 1
    outcome.tally["dead_letters", code] += 1
    masked = masked or record_may_hold_card_number(record.value, record.headers)
    came_with: Headers = () if masked else record.headers
    headers = (
        *came_with,
        ("errors.code", code.encode()),
        ("errors.message", message.encode()),
        ("errors.topic", record.topic.encode()),
        ("errors.partition", str(record.partition).encode()),
        ("errors.offset", str(record.offset).encode()),
        ("errors.timestamp", str(record.timestamp).encode()),
    )
    outcome.outputs.append(Output(DEAD_LETTERS, record.key, _MASKED if masked else record.value, headers))
