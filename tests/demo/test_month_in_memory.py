"""A generated month through the real rules and the demo's provider, without Kafka: it adds up for any batch size."""

from collections import Counter

import pytest

from demo.closing import EXAMPLE_MAKERS, find_examples
from demo.traffic import TrafficSettings, records
from schemas.instant import parse_instant
from tests.demo.world import World

KEY = b"a key of the tests"
SETTINGS = TrafficSettings(
    midnight_ms=parse_instant("2026-01-01T00:00:00Z"),
    accounts=120,
    calls=5_000,
    partitions=4,
    signing_key=KEY,
    malformed=0.01,
)


@pytest.mark.parametrize("batch_max", [1, 50])
def test_a_month_adds_up_and_has_everything_that_happens_to_a_customer(batch_max: int) -> None:
    world = World(SETTINGS, batch_max)
    month = list(records(SETTINGS))
    world.play(iter(month))
    provoked = Counter(record.dead_letter for record in month if record.dead_letter is not None)
    assert world.audit.findings(provoked) == []
    assert len(world.audit.accepted) > 4_900
    evidence = world.audit.evidence
    assert {row.purpose for row in evidence.payments} == {
        *("purchase", "refill", "refund"),
        *("subscription", "invoice", "overage"),
    }
    assert {row.reason for row in evidence.decisions} >= {"subscription", "subscription_ended", "credits", "included"}
    assert {line.kind for row in evidence.invoices for line in row.lines} == {
        *("subscription", "proration", "overage"),
        *("top_up", "phone_number", "tax", "wallet_credit", "carried"),
    }
    # Every account was renewed: each one that subscribed from the beginning has an invoice for it.
    subscribed = {row.account_id for row in evidence.accepted() if row.type == "account-opened" and row.plan != "free"}
    assert subscribed == {row.account_id for row in evidence.invoices if row.number == 1} & subscribed
    assert len(find_examples(evidence)) == len(EXAMPLE_MAKERS)


def test_the_same_seed_gives_the_same_examples() -> None:
    examples = []
    for _ in range(2):
        world = World(SETTINGS, 1)
        world.play(records(SETTINGS))
        examples.append(find_examples(world.audit.evidence))
    assert examples[0] == examples[1]
