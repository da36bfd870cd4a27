"""What is missing among the events: with it the sums would be others."""

from collections import Counter
from collections.abc import Iterator

from backoffice.report.books import Books
from backoffice.report.closing import alerts_missing
from schemas.instant import format_instant
from schemas.money import format_money

# Topics of which a month without a single event is unusual, by the types of their events.
_EXPECTED = {
    "ledger-entries": ("ledger-entry-posted",),
    "charges": ("call-charged",),
    "invoices": ("invoice-issued", "receipt-issued"),
}


def missing(books: Books) -> Iterator[str]:
    """What makes the sums wrong, a line each. Empty when the ledger, the charges, the invoices and the receipts prove
    each other complete.
    """
    if books.ledgers.broken:
        account_id, what = min(books.ledgers.broken.items())
        yield (
            f"the ledger of {_accounts(len(books.ledgers.broken))} is not complete, first {account_id}: {what};"
            " export ledger-entries from the beginning"
        )
    gaps = {account_id: gap for account_id, account in books.invoices.items() if (gap := _gap(account.numbers))}
    if gaps:
        account_id, number = min(gaps.items())
        yield (
            f"invoices of {_accounts(len(gaps))} are missing, first {account_id}: number {number};"
            " export invoices from the beginning"
        )
    yield from _unlike("charges", "charges", "calls took from its wallet", _spent(books), books.wallet_micros, books)
    yield from _unlike("invoices", "receipts", "credits sold", _sold(books), _received(books), books)


def notes(books: Books) -> Iterator[str]:
    """What a reader of the sums should know, a line each."""
    if books.newest_ms < 0:
        yield (
            "the file has no events that a report adds up: `tollgate export` writes published events, and"
            " `tollgate replay` makes them from inputs"
        )
        return
    for topic, types in _EXPECTED.items():
        if not any(books.types[name] for name in types):
            yield f"the file has no events of the topic {topic}: export it too"
    if books.newest_ms < books.month.end_ms:
        yield f"the newest event is of {format_instant(books.newest_ms)}: events of the month may be missing"
    count = alerts_missing(books)
    if count:
        yield f"the alerts of {count} reversals are missing: export alerts too; the sum in dispute is left out"


def _accounts(count: int) -> str:
    return f"{count:,} account{'' if count == 1 else 's'}"


def _gap(numbers: set[int]) -> int:
    """The first missing number, 0 when there is none."""
    return next((number for number in range(1, max(numbers)) if number not in numbers), 0) if numbers else 0


def _unlike(
    topic: str, what: str, moved: str, ledger: Counter[str], found: Counter[str], books: Books
) -> Iterator[str]:
    """Compare what moved the wallet of each account by its ledger with what the events `what` say."""
    wrong = sorted(account for account in ledger.keys() | found.keys() if ledger[account] != found[account])
    if wrong:
        first = books.ledgers.accounts.get(wrong[0])
        currency = "USD" if first is None else first.currency
        ours, theirs = (format_money(sums[wrong[0]], currency) for sums in (ledger, found))
        yield (
            f"{what} and ledger of {_accounts(len(wrong))} do not agree, first {wrong[0]}: {moved} {ours} by the"
            f" ledger, {theirs} by the {what}; export ledger-entries and {topic} for the whole month"
        )


def _spent(books: Books) -> Counter[str]:
    """What calls and their corrections took from each wallet in the month, by the ledger."""
    return _posted(books, ("charge", "adjustment"), -1)


def _sold(books: Books) -> Counter[str]:
    return _posted(books, ("purchase", "refill"), 1)


def _posted(books: Books, kinds: tuple[str, ...], sign: int) -> Counter[str]:
    posted = Counter[str]()
    for account_id, ledger in books.ledgers.accounts.items():
        for _, entry in ledger.month:
            if entry.kind in kinds and not entry.pays_out_carried:
                posted[account_id] += sign * entry.amount_micros
    return posted


def _received(books: Books) -> Counter[str]:
    received = Counter[str]()
    for _, receipt in books.receipts.values():
        if receipt.purpose in {"purchase", "refill"}:
            received[receipt.account_id] += receipt.amount_micros
    return received
