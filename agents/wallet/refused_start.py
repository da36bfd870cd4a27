"""Answers a `call-started` that is refused, so that a gate always gets an answer. Rule X2."""

from collections.abc import Iterator

from msgspec import UNSET

from agents.wallet.book import Book
from agents.wallet.turn import Decision, Refusal
from schemas.account import Account
from schemas.batch import Headers
from schemas.call import UNGATED, Call
from schemas.codec import Unreadable
from schemas.facts import REFUSED, CallRedirected
from schemas.instant import format_instant
from schemas.refused_start import RefusedStart, read_refused_start
from schemas.rows import call_key

# The codes of the record's own faults that are answered. The other faults leave nothing to answer.
_READ = frozenset({"schema_invalid", "key_mismatch", "wrong_partition"})
# The codes of refusals by time and state that are answered. A call with too many legs has its decision (rule L3).
_DECIDED = frozenset({"future_time", "too_late", "before_account"})
# A record under a wrong key or in a wrong partition: the call's decision is not here, so it is not looked up.
_ELSEWHERE = frozenset({"key_mismatch", "wrong_partition"})


def answer_refused_start(
    book: Book, value: bytes | None, headers: Headers, refusal: Unreadable | Refusal
) -> Iterator[Decision]:
    """What a refused record gives before its dead letter: the account's due work, which comes before each of its
    inputs (rule G2), and the answer. Nothing for a record that is not answered. No row changes.
    """
    if refusal.code not in (_READ if isinstance(refusal, Unreadable) else _DECIDED):
        return
    start = read_refused_start(value, headers)
    if start is None:
        return
    yield from book.catch_up(start.account_id)
    if refusal.code in _ELSEWHERE or not _has_decision(book, start):
        yield Decision(facts=[_answer(book, start)])


def _has_decision(book: Book, start: RefusedStart) -> bool:
    call = book.get(call_key(start.account_id, start.call_id))
    return isinstance(call, Call) and call.gate != UNGATED


def _answer(book: Book, start: RefusedStart) -> CallRedirected:
    account = book.get(start.account_id)
    redirect_to = account.redirect_to if isinstance(account, Account) else None
    return CallRedirected(
        id=start.fact_id,
        account_id=start.account_id,
        occurred_at=None if start.occurred_at_ms is None else format_instant(start.occurred_at_ms),
        caused_by=start.input_id,
        call_id=start.call_id,
        reason=REFUSED,
        redirect_to=UNSET if redirect_to is None else redirect_to,
        direction=UNSET if start.direction is None else start.direction,
        from_=UNSET if start.from_ is None else start.from_,
        to=UNSET if start.to is None else start.to,
    )
