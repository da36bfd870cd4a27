"""Each balance equals the sum of its ledger, and the ledger matches the charges of calls and the card payments."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence, finding
from demo.checks.payments import succeeded
from demo.checks.rows import EntryRow, InputRow

BOUGHT = ("purchase", "refill")


def check_wallets(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    yield from finding("balances that differ from their ledger", _wrong_balances(evidence))
    charged = Counter[str]()
    for charge in evidence.charges:
        charged[charge.account_id] += charge.wallet_micros
    spent = Counter[str]()
    for entry in evidence.entries:
        spent[entry.account_id] += entry.amount_micros * is_of_calls(entry)
    yield from finding(
        "wallets whose debits differ from the charges of their calls",
        (
            f"{account}: charges {charged[account]}, ledger {-spent[account]}"
            for account in charged.keys() | spent.keys()
            if charged[account] != -spent[account]
        ),
    )
    paid = Counter[str]()
    for payment in succeeded(evidence, accepted):
        paid[payment.account_id] += payment.amount_micros * (payment.purpose in BOUGHT)
    bought = _posted(evidence, BOUGHT)
    yield from finding(
        "wallets whose credits differ from their card payments",
        (
            f"{account}: paid {paid[account]}, ledger {bought[account]}"
            for account in paid.keys() | bought.keys()
            if paid[account] != bought[account]
        ),
    )


def is_of_calls(entry: EntryRow) -> bool:
    """Whether a call or its correction moved the wallet. An invoice that pays back moves it as well (rule B6)."""
    return entry.kind == "charge" or (entry.kind == "adjustment" and "/invoice/" not in entry.reference)


def _posted(evidence: Evidence, kinds: tuple[str, ...]) -> Counter[str]:
    """The sum of ledger entries of these kinds, by account."""
    posted = Counter[str]()
    for entry in evidence.entries:
        posted[entry.account_id] += entry.amount_micros * (entry.kind in kinds)
    return posted


def _wrong_balances(evidence: Evidence) -> Iterator[str]:
    posted = Counter[str]()
    for entry in evidence.entries:
        posted[entry.account_id] += entry.amount_micros
    for account, snapshot in evidence.snapshots.items():
        if snapshot.balance_micros != posted[account]:
            yield f"{account}: snapshot {snapshot.balance_micros}, ledger {posted[account]}"
    for account in posted.keys() - evidence.snapshots.keys():
        yield f"{account} has ledger entries and no snapshot"
