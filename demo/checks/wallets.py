"""Each wallet is the sum of its ledger, and its ledger says what calls took from it and what cards put into it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence
from demo.checks.finding import finding
from demo.checks.payments import succeeded
from demo.checks.rows import InputRow

SPENT = ("charge", "adjustment")
BOUGHT = ("purchase", "refill")


def check_wallets(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    yield from finding("balances that are not the sum of their ledger", _wrong_balances(evidence))
    charged = Counter[str]()
    for charge in evidence.charges:
        charged[charge.account_id] += charge.wallet_micros
    spent = _posted(evidence, SPENT)
    yield from finding(
        "wallets that calls have taken something else from than was charged",
        (
            f"{account}: {charged[account]} in charges and {-spent[account]} in its ledger"
            for account in charged.keys() | spent.keys()
            if charged[account] != -spent[account]
        ),
    )
    paid = Counter[str]()
    for payment in succeeded(evidence, accepted):
        paid[payment.account_id] += payment.amount_micros * (payment.purpose in BOUGHT)
    bought = _posted(evidence, BOUGHT)
    yield from finding(
        "wallets with other credits than their cards have paid for",
        (
            f"{account}: {paid[account]} paid and {bought[account]} in its ledger"
            for account in paid.keys() | bought.keys()
            if paid[account] != bought[account]
        ),
    )


def _posted(evidence: Evidence, kinds: tuple[str, ...]) -> Counter[str]:
    """What the ledger has of these kinds, by account."""
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
            yield f"{account} has {snapshot.balance_micros} in its snapshot and {posted[account]} in its ledger"
    for account in posted.keys() - evidence.snapshots.keys():
        yield f"{account} has ledger entries and no snapshot"
