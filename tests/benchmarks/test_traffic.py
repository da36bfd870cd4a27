"""The measured traffic is as described: each input is accepted, each call is admitted with its features and paid."""

import json
from collections import Counter

import pytest

from agents.wallet.agent import Wallets
from benchmarks import rules
from benchmarks.rules import Input, apply
from benchmarks.traffic import CREDITS, MINUTES, OPENING_INPUTS, Traffic, by_partition
from schemas.batch import BatchResult
from schemas.plan import load_catalogue

PARTITIONS = 2
TRAFFIC = Traffic(accounts=3, calls=200, now_ms=1_700_000_000_000)


def decided() -> BatchResult:
    """The results of the whole traffic, decided in one batch per partition."""
    whole = BatchResult()
    wallets = Wallets(load_catalogue(None), partitions=PARTITIONS)
    for partition, records in enumerate(by_partition([*TRAFFIC.opening(), *TRAFFIC.played()], PARTITIONS)):
        rows: dict[str, bytes] = {}
        wallets.open(partition, rows)
        outcome = wallets.decide(partition, [Input(*record, partition, at, 0) for at, record in enumerate(records)])
        apply(rows, outcome.rows)
        whole.tally += outcome.tally
        whole.outputs += outcome.outputs
    return whole


def test_every_input_is_accepted_and_every_call_is_admitted_and_charged() -> None:
    tally = decided().tally
    inputs = {outcome: count for (family, outcome), count in tally.items() if family == "inputs"}
    assert inputs == {"accepted": OPENING_INPUTS * TRAFFIC.accounts + 2 * TRAFFIC.calls}
    assert tally["facts", "call-admitted"] == tally["facts", "call-charged"] == TRAFFIC.calls
    assert tally["gate", "credits"] > 0, "no call went beyond the allowance: the wallet would not be measured"


def test_the_same_settings_give_the_same_bytes_in_order_of_time() -> None:
    played = TRAFFIC.played()
    assert played == TRAFFIC.played()
    times = [json.loads(value)["occurred_at"] for _, value in played]
    assert times == sorted(times)
    assert Counter(json.loads(value)["type"] for _, value in played) == {"call-started": 200, "call-ended": 200}


@pytest.mark.parametrize("plan", [CREDITS, MINUTES])
def test_the_stages_of_the_rules_are_all_timed(plan: str) -> None:
    spent = rules.measure(calls=50, batch=20, plan=plan)
    assert len(spent.stages) == len(rules.STAGES)
    assert all(len(values) == len(spent.whole) for values in spent.stages)
    assert rules.table(spent).row_count == len(rules.STAGES) + 2
