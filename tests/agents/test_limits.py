"""What lies at the edges: sums, old periods, plans that are no longer offered."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from schemas.plan import CreditsPlan
from schemas.rows import CorruptRowError
from tests.agents.partition import Partition, facts_of
from tests.rules.story import ALL, BOTH, SHIPPED, SIGNUP, Story, later, only, opened, plans, usd

LARGEST_MICROS = 9 * 10**15 - 1


# Each amount is within the contract's bound: however many come, none of them may stop the worker (G10).
@pytest.mark.parametrize("sign", [1, -1])
def test_g10_the_largest_grants_one_after_the_other_do_not_stop_the_worker(sign: int) -> None:
    partition, story = Partition(), opened()
    partition.take(*story.inputs)
    for n in range(2_100):
        story.is_granted(0, f"g{n}", amount_micros=sign * LARGEST_MICROS)
    outcome = partition.take(*story.inputs[1:])
    assert outcome.tally["inputs", "accepted"] + outcome.tally["inputs", "dead_letter"] == 2_100


# G2 and P1: before the first tick nothing is too late, so a call of any earlier period is counted in that period.
@pytest.mark.parametrize("months", [2, 7, 8, 9, 12])
def test_g02_p01_a_call_of_an_earlier_period_is_gated_by_that_periods_calls(months: int) -> None:
    story = opened("extra_calls", credit=100, catalogue=plans(included_calls=2)).calls(2)
    for n in range(1, months + 1):
        story.waits(f"{2026 + n // 12}-{n % 12 + 1:02d}-10T00:00:00Z").call(f"m{n}")
    admitted = only(story.starts("late", at="2026-01-20T00:00:00Z").answer("call-admitted"))
    assert (admitted["reason"], admitted["hold_micros"]) == ("credits", usd(3))


def test_g09_an_account_on_a_plan_that_is_no_longer_offered_keeps_its_terms() -> None:
    partition, story = Partition(), opened(*BOTH, credit=20).starts("c1")
    partition.take(*story.inputs)
    done = len(story.inputs)
    only_plus = msgspec.structs.replace(SHIPPED, version=2, plans={"plus": CreditsPlan()})
    later_worker = partition.restarted(only_plus)
    story.ends("c1", used=BOTH).starts("c2").ends("c2", used=BOTH)
    charged = facts_of(later_worker.take(*story.inputs[done:]), "call-charged")
    assert [f["amount_micros"] for f in charged] == [usd(6), usd(6)]
    refused = later_worker.take({**Story("new").opens().inputs[0], "id": "n"})
    assert refused.tally["dead_letters", "unknown_plan"] == 1


# G3: periods follow each other without a gap or an overlap, in every zone, also where days are skipped or doubled.
@pytest.mark.parametrize(
    "time_zone",
    [
        "UTC",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Africa/Cairo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ],
)
@pytest.mark.parametrize("signup", ["2011-10-31T12:00:00Z", "2018-01-29T23:30:00Z", "2024-02-29T00:00:00Z"])
def test_g03_periods_follow_each_other_without_a_gap(time_zone: str, signup: str) -> None:
    story = Story(signup=signup).opens(time_zone=time_zone)
    moment, periods = signup, []
    for _ in range(26):
        usage = story.waits(moment).switches("live_agent").snapshot()["usage"]
        periods.append((usage["period_start"], usage["period_end"]))
        moment = usage["period_end"]
    assert all(one[1] == other[0] for one, other in pairwise(periods))
    assert len(set(periods)) == 26


# C9's bound with everything at once, over a whole traffic of calls that overlap.
def test_c09_the_bound_holds_through_a_day_of_overlapping_calls() -> None:
    story = opened(*ALL, credit=40).ticks()
    for n in range(120):
        story.starts(f"c{n}")
        if n >= 5:
            story.ends(f"c{n - 5}", used=BOTH)
        if n % 40 == 39:
            story.is_granted(10)
        story.waits(seconds=20)
    for n in range(115, 120):
        story.ends(f"c{n}", used=BOTH)
    balances = [f["balance_after_micros"] for f in story.facts("ledger-entry-posted")]
    assert min(balances) > usd(-6)


# P17: five minutes ahead of the clock is where a call may start; its hold expires by its own start.
def test_p17_a_hold_expires_by_the_calls_own_start() -> None:
    story = opened(*BOTH, credit=20).ticks().starts("c1", at=later(SIGNUP, minutes=5))
    assert story.ticks(later(SIGNUP, hours=4, minutes=5, milliseconds=-1)).answer() == []
    assert only(story.ticks(later(SIGNUP, hours=4, minutes=5)).answer())["type"] == "call-stuck"


DIGEST = """
import hashlib
from tests.agents.partition import Partition
from tests.agents.traffic import Traffic
traffic, partition, digest = Traffic(7), Partition(), hashlib.sha256()
partition.take(*traffic.opening(3))
for _ in range(10):
    outcome = partition.take(*traffic.batch(3, 20))
    digest.update(repr((outcome.rows, [(o.topic, o.key, o.value, o.headers) for o in outcome.outputs])).encode())
print(digest.hexdigest())
"""


# "The same input gives the same bytes, always": also in another process, where sets and dicts hash otherwise.
def test_the_same_log_gives_the_same_bytes_in_every_process() -> None:
    root = Path(__file__).resolve().parents[2]
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "4242")
    ]
    assert runs[0] == runs[1] != ""


# A rule that fails ends the worker, whose last line names the record.
def test_the_wallets_know_the_record_at_which_a_rule_failed() -> None:
    partition, story = Partition(), opened(credit=20)
    partition.take(*story.inputs)
    assert partition.wallets.deciding is None
    partition.rows["acme"] = partition.rows["acme"][:20]
    with pytest.raises(CorruptRowError):
        partition.take(*story.starts("c1").inputs[-1:])
    assert partition.wallets.deciding is not None
    assert partition.wallets.deciding.offset == partition.offset - 1


# Years that waited for the first tick leave the account's row once their invoices are issued.
def test_g02_the_row_is_small_again_after_a_long_log_without_ticks() -> None:
    story = opened("live_agent", credit=100)
    for month in range(40):
        story.waits(f"{2026 + month // 12}-{1 + month % 12:02d}-10T00:00:00Z").call(f"c{month}", used=["live_agent"])
    story.ticks("2029-06-01T00:00:00Z").call("after")
    partition = Partition()
    sizes = []
    for event in story.inputs:
        partition.take(event)
        sizes.append(len(partition.rows["acme"]))
    assert max(sizes) > 2 * sizes[-1]
