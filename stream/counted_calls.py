"""The calls of a log as they finally stand, heard from the rules' own decisions."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from agents.wallet.book import Book
from agents.wallet.turn import Decision, Refusal
from schemas.account import Account
from schemas.call import Call, End, is_counted, rank_of
from schemas.codec import Unreadable
from schemas.facts import CallRedirected, Charge
from schemas.inputs import AnyInput, ClockTicked
from schemas.plan import Catalogue
from stream.replay import read_inputs

# Rows decoded by the rules are turned into bytes that often, and those that the rules have forgotten leave memory.
INPUTS_BETWEEN_FLUSHES = 10_000

_CALL = "c/"


@dataclass(slots=True)
class AccountHeard:
    """An account and its counted calls (rule P5). `standing` are calls that can still be corrected, by call id;
    `forgotten` those whose rows are gone. `charged_micros` is what all of them did cost.
    """

    account: Account
    standing: dict[str, End] = field(default_factory=dict)
    forgotten: list[tuple[str, End]] = field(default_factory=list)
    charged_micros: int = 0
    redirected_calls: int = 0

    def ends(self) -> list[End]:
        """The ends of the counted calls in order of rank (rule P2)."""
        calls = [*self.forgotten, *self.standing.items()]
        return [end for _, end in sorted(calls, key=lambda call: rank_of(*call))]

    def hear_call(self, call_id: str, call: Call | None) -> None:
        """Keep a call as it now stands. None: the rules forget it, so that this is how it stands for ever."""
        if call is None:
            end = self.standing.pop(call_id, None)
            if end is not None:
                self.forgotten.append((call_id, end))
        elif call.end is not None and is_counted(call):
            self.standing[call_id] = call.end
        else:
            self.standing.pop(call_id, None)


Heard = dict[str, AccountHeard]
Complaint = Callable[[int, Unreadable | Refusal], None]


def hear_calls(
    lines: Iterable[bytes], catalogue: Catalogue, only: Collection[str] = (), complain: Complaint = lambda *_: None
) -> Heard:
    """Every account of the inputs, or `only` some, with its counted calls, by account id.

    `complain` is told of each line that cannot be taken. Memory grows with the calls, and with the rows that the rules
    remember: where the log has ticks, those of the correction horizon.
    """
    rows: dict[str, bytes] = {}
    book, heard = Book(catalogue, rows), Heard()
    for taken, (number, event) in enumerate(_inputs(lines, only, complain), start=1):
        for decision in book.take(event):
            if isinstance(decision, Refusal):
                complain(number, decision)
            else:
                _hear(heard, decision)
        if taken % INPUTS_BETWEEN_FLUSHES == 0:
            _write_back(book, rows)
    return heard


def _inputs(lines: Iterable[bytes], only: Collection[str], complain: Complaint) -> Iterator[tuple[int, AnyInput]]:
    for number, event in read_inputs(lines):
        if isinstance(event, Unreadable):
            complain(number, event)
        elif not only or event.account_id in only or isinstance(event, ClockTicked):
            yield number, event


def _hear(heard: Heard, decision: Decision) -> None:
    for key, row in decision.rows.items():
        account_id, _, rest = key.partition("/")
        known = heard.get(account_id)
        if isinstance(row, Account):
            if known is None:
                heard[account_id] = AccountHeard(row)
            else:
                known.account = row
        elif known is not None and rest.startswith(_CALL):
            assert row is None or isinstance(row, Call)
            known.hear_call(rest.removeprefix(_CALL), row)
    for fact in decision.facts:
        known = heard.get(fact.account_id)
        if known is not None and isinstance(fact, Charge):
            known.charged_micros += fact.amount_micros
        elif known is not None and isinstance(fact, CallRedirected):
            known.redirected_calls += 1


def _write_back(book: Book, rows: dict[str, bytes]) -> None:
    for key, value in book.flush():
        if value is None:
            del rows[key]
        else:
            rows[key] = value
