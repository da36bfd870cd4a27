"""The calls of a log in their final state, collected from the decisions of the rules."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from agents.wallet.book import Book
from agents.wallet.turn import Decision, Refusal
from backoffice.replay import InputLine, decide_with_due_work, read_inputs
from schemas.account import Account
from schemas.call import Call, End, is_counted, rank_of
from schemas.codec import Unreadable
from schemas.facts import CallRedirected, Charge
from schemas.inputs import ClockTicked
from schemas.plan import Catalogue

# How often the decoded rows of the rules are encoded again, so that rows the rules no longer need leave memory.
INPUTS_BETWEEN_FLUSHES = 10_000

_CALL = "c/"


@dataclass(slots=True)
class AccountCalls:
    """An account and its counted calls (rule P5). `correctable` are calls that the rules can still correct, by call id;
    `final` are those whose rows are gone. `charged_micros` is the sum of all charges and adjustments.
    """

    account: Account
    correctable: dict[str, End] = field(default_factory=dict)
    final: list[tuple[str, End]] = field(default_factory=list)
    charged_micros: int = 0
    redirected_calls: int = 0

    def ends(self) -> list[End]:
        """The ends of the counted calls in order of rank (rule P2)."""
        calls = [*self.final, *self.correctable.items()]
        return [end for _, end in sorted(calls, key=lambda call: rank_of(*call))]

    def update_call(self, call_id: str, call: Call | None) -> None:
        """Replace the state of a call. None means that the rules deleted its row: the state before is final."""
        if call is None:
            end = self.correctable.pop(call_id, None)
            if end is not None:
                self.final.append((call_id, end))
        elif call.end is not None and is_counted(call):
            self.correctable[call_id] = call.end
        else:
            self.correctable.pop(call_id, None)


CallsByAccount = dict[str, AccountCalls]
ReportRejected = Callable[[int, Unreadable | Refusal], None]


def collect_calls(
    lines: Iterable[bytes],
    catalogue: Catalogue,
    only: Collection[str] = (),
    report_rejected: ReportRejected = lambda *_: None,
) -> CallsByAccount:
    """The counted calls of each account of the inputs, or of the accounts `only`, by account id.

    Calls `report_rejected` with the number of each rejected line. Memory grows with the calls, and with the rows that
    the rules keep: where the log has ticks, those of the correction horizon.
    """
    rows: dict[str, bytes] = {}
    book, collected = Book(catalogue, rows), CallsByAccount()
    for count, line in enumerate(_inputs(lines, only, report_rejected), start=1):
        assert not isinstance(line.event, Unreadable)
        for decision in decide_with_due_work(book, line.event, line.arrived_ms):
            if isinstance(decision, Refusal):
                report_rejected(line.number, decision)
            else:
                _collect(collected, decision)
        if count % INPUTS_BETWEEN_FLUSHES == 0:
            _write_back(book, rows)
    return collected


def _inputs(lines: Iterable[bytes], only: Collection[str], report_rejected: ReportRejected) -> Iterator[InputLine]:
    for line in read_inputs(lines):
        event = line.event
        if isinstance(event, Unreadable):
            report_rejected(line.number, event)
        elif not only or event.account_id in only or isinstance(event, ClockTicked):
            yield line


def _collect(collected: CallsByAccount, decision: Decision) -> None:
    for key, row in decision.rows.items():
        account_id, _, rest = key.partition("/")
        known = collected.get(account_id)
        if isinstance(row, Account):
            if known is None:
                collected[account_id] = AccountCalls(row)
            else:
                known.account = row
        elif known is not None and rest.startswith(_CALL):
            assert row is None or isinstance(row, Call)
            known.update_call(rest.removeprefix(_CALL), row)
    for fact in decision.facts:
        known = collected.get(fact.account_id)
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
