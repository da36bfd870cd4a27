"""What is derived from the rows is the same whether it grew with the traffic or was made anew from the table; and the
rows stay few and small."""

from collections import Counter
from collections.abc import Callable

import pytest

from agents.wallet.book import Book
from schemas.account import Account
from schemas.currencies import CatalogueError
from schemas.rows import CorruptRowError, decode_row
from tests.agents.partition import SHIPPED, Partition, facts_of
from tests.agents.traffic import Traffic
from tests.rules.story import BOTH, SIGNUP, Story, later, opened, plans, usd

ACCOUNTS = 4


def run(partition: Partition, traffic: Traffic, batches: int) -> None:
    for _ in range(batches):
        traffic.answers(facts_of(partition.take(*traffic.batch(ACCOUNTS, 20))))


# The whole border: outputs, rows and gauges of the worker that went on and of one that was started in between.
@pytest.mark.parametrize("seed", range(8))
def test_a_restarted_worker_decides_the_same(seed: int) -> None:
    traffic, partition = Traffic(seed), Partition()
    partition.take(*traffic.opening(ACCOUNTS))
    for _ in range(4):
        run(partition, traffic, 10)
        restarted = partition.restarted()
        assert restarted.wallets.gauges() == partition.wallets.gauges()
        assert restarted.wallets.balances(0) == partition.wallets.balances(0)
        for _ in range(5):
            batch = traffic.batch(ACCOUNTS, 20)
            one, other = partition.take(*batch), restarted.take(*batch)
            assert one.outputs == other.outputs
            assert dict(one.rows) == dict(other.rows)
            assert one.tally == other.tally
            traffic.answers(facts_of(one))
        assert restarted.rows == partition.rows
        assert restarted.wallets.gauges() == partition.wallets.gauges()
        assert restarted.wallets.balances(0) == partition.wallets.balances(0) == balances(partition)


def balances(partition: Partition) -> dict[str, int]:
    """The sums as the rows have them."""
    sums: Counter[str] = Counter()
    for key, value in partition.rows.items():
        row = decode_row(key, value)
        if isinstance(row, Account):
            sums[row.currency] += row.balance_micros
    return {currency: micros for currency, micros in sums.items() if micros}


@pytest.mark.parametrize("seed", range(8))
def test_the_gauges_are_the_sums_of_the_snapshots(seed: int) -> None:
    traffic, partition = Traffic(seed + 100), Partition()
    partition.take(*traffic.opening(ACCOUNTS))
    run(partition, traffic, 40)
    rows = {key: partition.rows[key] for key in partition.rows if "/" not in key and key != "*"}
    book = Book(SHIPPED, dict(partition.rows))
    accounts = [book.get(key) for key in rows]
    gauges = partition.wallets.gauges()
    assert gauges["accounts"] == len(rows) == ACCOUNTS
    assert gauges["held_micros"] == sum(getattr(account, "held_micros", 0) for account in accounts) >= 0
    assert gauges["open_calls"] == sum(getattr(account, "open_calls", 0) for account in accounts) >= 0


# G4: everything about calls is forgotten after the horizon; what is kept for ever is the account, its purchases,
# refills and grants, and what it owes until that is paid.
@pytest.mark.parametrize("seed", range(4))
def test_g04_rows_are_deleted_after_the_horizon(seed: int) -> None:
    traffic, partition = Traffic(seed + 200), Partition()
    partition.take(*traffic.opening(ACCOUNTS))
    run(partition, traffic, 40)
    assert {"c", "i"} <= set(partition.kinds())
    # Refills go on by themselves: switch them off, and let two horizons pass.
    partition.take(*[traffic.event("auto-refill-set", f"a{n}", enabled=False) for n in range(ACCOUNTS)])
    for _ in range(3):
        partition.take(traffic.tick(days=36))
    assert set(partition.kinds()) <= {"account", "a", "b", "n", "clock", "terms", "g", "l", "p", "r", "y"}
    assert partition.wallets.gauges()["held_micros"] == partition.wallets.gauges()["open_calls"] == 0
    assert partition.restarted().wallets.gauges() == partition.wallets.gauges()


# One call, milliseconds after it ended: corrected for 35 x 24 h, and kept 7 x 24 h longer to say that it is too late.
@pytest.mark.parametrize(("after_ms", "calls"), [(3_628_799_999, 1), (3_628_800_000, 0)])
def test_g04_a_calls_row_lives_for_the_horizon(after_ms: int, calls: int) -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", seconds=0, used=BOTH)
    partition = Partition()
    partition.take(*story.inputs)
    before = partition.kinds()
    partition.take(story.ticks(later(SIGNUP, milliseconds=after_ms)).inputs[-1])
    assert partition.kinds().get("c", 0) == calls
    assert before["c"] == 1


@pytest.mark.parametrize("how", ["stuck", "redirected", "reclassified alone"])
def test_g04_rows_of_calls_that_never_end_are_deleted_too(how: str) -> None:
    partition, story = Partition(), opened(*BOTH, credit=20)
    if how == "redirected":
        story.calls(25)
    if how == "reclassified alone":
        story.reclassifies("c1", real=False)
    else:
        story.starts("c1")
    partition.take(*story.inputs)
    assert "acme/c/c1" in partition.rows
    partition.take(story.ticks(days=36).inputs[-1])
    partition.take(story.ticks(days=36).inputs[-1])
    assert not [key for key in partition.rows if "/c/" in key or "/i/" in key]


def contradict(story: Story, n: int) -> None:
    story.ends("c1", seconds=n % 50, used=BOTH[: n % 3], at=later(SIGNUP, seconds=n % 50))


def reclassify(story: Story, n: int) -> None:
    story.ends("c1", used=BOTH).reclassifies("c1", real=n % 2 == 0, at=later(SIGNUP, milliseconds=n))


def refund(story: Story, n: int) -> None:
    story.ticks(days=1).buys(f"p{n}", 5)
    if n:
        story.says("credits-refund-requested", purchase_id=f"p{n - 1}")


GROWTH: dict[str, Callable[[Story, int], object]] = {
    "contradictions": contradict,
    "reclassifications": reclassify,
    "refills": lambda story, _: story.refills(5, threshold_micros=usd(1)).is_granted(-30),
    "redirects": lambda story, n: story.starts(f"c{n}").says("redirect-set", redirect_to=f"+{n}"),
    "thresholds": lambda story, n: story.says(
        "alert-thresholds-set", thresholds_micros=[n * 1000 + i for i in range(16)]
    ),
    "cards": lambda story, n: story.adds_card(f"pm{n}"),
    "refunds": refund,
    "months": lambda story, n: story.ticks(days=20).call(f"c{n}", used=BOTH),
}


# No row grows without bound: bytes of the largest row in the first and in the second half of 1000 of the same. A few
# more are the digits of greater numbers.
@pytest.mark.parametrize("what", GROWTH.values(), ids=GROWTH.keys())
def test_no_row_grows_without_bound(what: Callable[[Story, int], object]) -> None:
    story, partition, sizes = opened(*BOTH, credit=20).adds_card().ticks(), Partition(), []
    done = 0
    for n in range(1_000):
        what(story, n)
        outcome = partition.take(*story.inputs[done:])
        done = len(story.inputs)
        for asked in facts_of(outcome, "payment-requested"):
            story.pays(payment_id=asked["payment_id"])
        sizes.append(max(map(len, partition.rows.values())))
    assert max(sizes[500:]) <= max(sizes[:500]) * 5 // 4
    assert max(sizes) < 4_096


# A table that a worker must not serve from.
def test_g09_a_version_that_has_charged_with_other_terms_is_refused() -> None:
    partition = Partition(catalogue=plans(version=3))
    partition.take(*opened().inputs)
    with pytest.raises(CatalogueError, match=r"plans\.free .*version"):
        partition.restarted(plans(version=3, extra_call_micros=usd(4)))
    assert partition.restarted(plans(version=4, extra_call_micros=usd(4))).rows.keys() == partition.rows.keys()


@pytest.mark.parametrize("key", ["acme", "acme/c/c1", "acme/i/i1", "*"])
def test_a_row_of_another_shape_stops_the_worker(key: str) -> None:
    partition = Partition()
    partition.take(*opened(credit=5).starts("c1").ticks().inputs)
    rows = {**partition.rows, key: partition.rows["acme/i/i1"][:17]}
    with pytest.raises(CorruptRowError, match=key.replace("*", r"\*")):
        Partition(rows)
