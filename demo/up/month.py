"""The inputs of a month as a log would have them: what happened, with its ticks and the answers to its payments.

The rules run in memory, so that each payment that they request is answered in its own time, before the clock passes it.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from agents.wallet.book import Book
from agents.wallet.turn import Decision, Refusal
from backoffice.replay import decide_with_due_work
from demo.provider import Provider
from demo.ticks import TICK_EVERY_MS, tick
from demo.traffic import signed
from demo.wire import Timed
from schemas.codec import Unreadable, decode_input
from schemas.facts import PaymentRequested, encode_fact
from schemas.partitioning import partition_of
from schemas.plan import Catalogue


class MonthError(RuntimeError):
    """The rules refuse an input of the month."""


def month(
    happened: Iterable[Timed], begin_ms: int, end_ms: int, catalogue: Catalogue, provider: Provider, partitions: int
) -> Iterator[Timed]:
    """The records between `begin_ms` and `end_ms` (epoch), in order. The last are ticks at `end_ms`.

    Answers that are due later are left out: the payment adapter gives them. Raises MonthError.
    """
    books = [Book(catalogue, {}) for _ in range(partitions)]
    key = provider.settings.signing_key
    waiting = [(record.at_ms, number, record) for number, record in enumerate(signed(iter(happened), key))]
    heapify(waiting)
    number = len(waiting)
    for tick_ms in (*range(begin_ms, end_ms, TICK_EVERY_MS), end_ms):
        due = [tick(tick_ms, partition, key) for partition in range(partitions)]
        for record in _until(tick_ms, waiting, due):
            yield record
            for answer in _decide(books, record, provider):
                number += 1
                if answer.at_ms < end_ms:
                    heappush(waiting, (answer.at_ms, number, answer))


def _until(tick_ms: int, waiting: list[tuple[int, int, Timed]], due: list[Timed]) -> Iterator[Timed]:
    """What reaches the log until a tick, with what is added to `waiting` meanwhile; then the tick."""
    while waiting and waiting[0][0] < tick_ms:
        yield heappop(waiting)[2]
    yield from due


def _decide(books: list[Book], record: Timed, provider: Provider) -> Iterator[Timed]:
    """Let the rules decide on a record. Returns the answers to the payments that it led to."""
    place = partition_of(record.key, len(books)) if record.partition is None else record.partition
    event = decode_input(record.value)
    if isinstance(event, Unreadable):
        raise MonthError(f"{record.kind}: {event.message}")
    for decision in decide_with_due_work(books[place], event, None):
        if isinstance(decision, Refusal):
            raise MonthError(f"{record.kind}: {decision.message}")
        yield from _answers(decision, provider)


def _answers(decision: Decision, provider: Provider) -> Iterator[Timed]:
    for fact in decision.facts:
        if isinstance(fact, PaymentRequested):
            answer = provider.answer(encode_fact(fact))
            if answer is not None:
                yield answer.record
