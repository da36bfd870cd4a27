"""The wallet agent's shell: where records belong, what is published with which headers, and what a tick does."""

import json
import sys
import threading

import pytest

from tests.agents.partition import InputRecord, Partition, account_at_home, facts_of, header, outputs_to, record_of
from tests.rules.story import BOTH, SHIPPED, SIGNUP, Story, also_in, later, only, opened, plans, usd


# What a fact is published with: its topics, the account as key, CloudEvents' binary mode beside the flat value.
def test_facts_carry_the_headers_of_cloudevents_beside_the_flat_value() -> None:
    partition, story = Partition(), opened(*BOTH, credit=20).starts("c1").ends("c1", used=BOTH)
    outcome = partition.take(*story.inputs)
    topics = {output.topic for output in outcome.outputs}
    assert topics == {"call-decisions", "charges", "ledger-entries", "account-snapshots"}
    for output in outcome.outputs:
        assert output.value is not None
        value = json.loads(output.value)
        assert output.key == b"acme"
        assert header(output, "ce_specversion") == "1.0"
        assert header(output, "ce_id") == value["id"]
        assert header(output, "ce_type") == value["type"]
        assert header(output, "ce_subject") == value["account_id"] == "acme"
        assert header(output, "ce_time") == value["occurred_at"]
        assert header(output, "ce_source")
        assert header(output, "content-type") == "application/json"


def test_the_same_records_give_the_same_bytes() -> None:
    story = opened(*BOTH, credit=20).adds_card().refills(5).calls(30, used=BOTH).ticks(days=1)
    one, other = Partition().take(*story.inputs), Partition().take(*story.inputs)
    assert (one.outputs, one.rows) == (other.outputs, other.rows)


# The broker run and the replay of the same inputs give the same facts, whatever the batches.
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_batches_of_any_size_give_the_facts_of_the_replay(size: int) -> None:
    story = opened(*BOTH, credit=20).adds_card().refills(15).calls(8, used=BOTH).ticks(hours=1).calls(25, "x")
    story.reclassifies("early-03", real=False).pays().declines(retryable=True).ticks(hours=2)
    partition, facts = Partition(), []
    for at in range(0, len(story.inputs), size):
        facts += facts_of(partition.take(*story.inputs[at : at + size]))
    assert facts == story.facts()


def test_one_snapshot_per_account_and_batch() -> None:
    one, other = opened(*BOTH, credit=20).calls(3), Story("other").opens()
    outcome = Partition().take(*one.inputs, *other.inputs)
    snapshots = [json.loads(output.value or b"") for output in outputs_to(outcome, "account-snapshots")]
    assert [s["account_id"] for s in snapshots] == ["acme", "other"]
    assert snapshots[0] == one.snapshot()


def test_p19_a_decline_and_a_pause_go_to_two_topics_with_the_same_id() -> None:
    story = opened().adds_card().refills(20).declines()
    outcome = Partition().take(*story.inputs)
    alerts, refills = (outputs_to(outcome, topic) for topic in ("alerts", "refills"))
    assert [header(o, "ce_type") for o in alerts] == ["refill-declined", "refill-paused"]
    assert [o.value for o in alerts] == [o.value for o in refills if header(o, "ce_type") != "refill-requested"]


# A dead letter is the input as it came, with its address and the reason; its own headers stay.
def test_g10_a_dead_letter_is_the_input_as_it_came() -> None:
    record = InputRecord(b"acme", b'{"half": ', (("trace", b"1"), ("empty", None)), offset=41, timestamp=1234)
    letter = only_letter(Partition(), record)
    assert (letter.key, letter.value) == (record.key, record.value)
    assert letter.headers[:2] == (("trace", b"1"), ("empty", None))
    errors = {name: (value or b"").decode() for name, value in letter.headers if name.startswith("errors.")}
    assert errors.pop("errors.message")
    assert errors == {
        "errors.code": "malformed_json",
        "errors.topic": "account-events",
        "errors.partition": "0",
        "errors.offset": "41",
        "errors.timestamp": "1234",
    }


def only_letter(partition: Partition, record: InputRecord):  # type: ignore[no-untyped-def]  # the one Output
    outcome = partition.decide(record)
    assert len(outcome.outputs) == 1
    assert outcome.tally["inputs", "dead_letter"] == sum(outcome.tally[k] for k in outcome.tally if k[0] == "inputs")
    return outcome.outputs[0]


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00", b"x" * 70_000], ids=["none", "empty", "binary", "large"])
@pytest.mark.parametrize("key", [None, b"", b"acme", b"\xff"])
def test_g10_any_key_and_value_come_through_a_dead_letter_unchanged(key: bytes | None, value: bytes | None) -> None:
    letter = only_letter(Partition(), InputRecord(key, value))
    assert (letter.topic, letter.key, letter.value) == ("dead-letters", key, value)


# The key is the account, on the partition of the key.
@pytest.mark.parametrize("key", [None, b"", b"other", b"ACME", b"acme ", b"\xff"])
def test_a_record_that_is_not_keyed_by_its_account_is_refused(key: bytes | None) -> None:
    value = record_of(Story().opens().inputs[0]).value
    assert header(only_letter(Partition(), InputRecord(key, value)), "errors.code") == "key_mismatch"


def test_a_record_on_another_partition_than_its_accounts_is_refused() -> None:
    partition, away = Partition(partitions=8, number=3), account_at_home(4, 8)
    here = Story(account_at_home(3, 8)).opens().inputs[0]
    assert partition.decide(record_of(here, 3)).tally["inputs", "accepted"] == 1
    letter = only_letter(partition, record_of(Story(away).opens().inputs[0], 3))
    assert header(letter, "errors.code") == "wrong_partition"
    assert "4" in (header(letter, "errors.message") or "")


def test_a_tick_may_go_to_any_partition() -> None:
    for number in (0, 3, 7):
        partition = Partition(partitions=8, number=number)
        assert partition.decide(record_of(Story().ticks().inputs[0], number)).tally["inputs", "accepted"] == 1


def test_partitions_share_nothing() -> None:
    one = Partition()
    one.take(*opened(credit=5).inputs)
    assert Partition().take(*Story().is_granted(5).inputs).tally["dead_letters", "unknown_account"] == 1
    one.wallets.close(0)
    assert one.wallets.gauges() == {"held_micros": 0, "open_calls": 0, "accounts": 0}


# G2: a tick that catches up does what several ticks would have done, in order of time.
def test_g02_a_tick_that_catches_up_goes_in_order_of_time() -> None:
    partition = Partition()
    for n, minutes in ((1, 30), (2, 10), (3, 20)):
        story = Story(f"a{n}").opens().switches(*BOTH).is_granted(20).starts("c", at=later(SIGNUP, minutes=minutes))
        partition.take(*story.inputs)
    outcome = partition.take(*Story().ticks(days=60).inputs)
    assert [f["account_id"] for f in facts_of(outcome, "call-stuck")] == ["a2", "a3", "a1"]
    # 60 days later everything of the calls and the ids is forgotten, in the same batch.
    assert partition.kinds() == {"account": 3, "a": 3, "g": 3, "clock": 1, "terms": len(SHIPPED.plans)}
    assert outcome.tally["inputs", "accepted"] == 1


def test_g10_the_tally_counts_each_input_once() -> None:
    story = opened(*BOTH, credit=20).starts("c1").starts("c1").ticks(hours=5).ticks(SIGNUP).switches("video")
    outcome = Partition().take(*story.inputs)
    counted = {outcome_: n for (what, outcome_), n in outcome.tally.items() if what == "inputs"}
    assert counted == {"accepted": 6, "repeat": 2, "dead_letter": 1}
    assert sum(counted.values()) == len(story.inputs)
    assert outcome.tally["dead_letters", "schema_invalid"] == 1
    assert outcome.tally["gate", "included"] == 1
    assert outcome.tally["facts", "call-stuck"] == 1


def test_what_was_charged_and_what_was_given_back_are_counted_apart_by_currency() -> None:
    dollars = opened(*BOTH, credit=20).ends("c1", used=BOTH).ends("c2", used=BOTH).reclassifies("c1", real=False)
    euros = Story("euro").opens(currency="EUR").switches(*BOTH).is_granted(20).ends("c1", used=BOTH[:1])
    outcome = Partition(catalogue=also_in("EUR")).take(*dollars.inputs, *euros.inputs)
    assert outcome.charged_micros == {"USD": usd(12), "EUR": usd(3)}
    assert outcome.given_back_micros == {"USD": usd(6)}


def test_c09_the_exposure_is_published() -> None:
    partition = Partition()
    partition.take(*opened(*BOTH, credit=20).starts("c1").starts("c2").inputs)
    partition.take(*Story("other").opens().starts("c1").inputs)
    assert partition.wallets.gauges() == {"held_micros": usd(12), "open_calls": 3, "accounts": 2}


# G9: a call keeps the plan version and the terms in force when it started; another worker has a newer catalogue.
def test_g09_a_call_keeps_the_terms_it_started_under() -> None:
    old, new = plans(version=1, included_calls=1), plans(version=2, included_calls=3, live_agent_micros=usd(5))
    story = opened("extra_calls", "live_agent", credit=100).calls(1)
    story.starts("during", at=later(SIGNUP, minutes=5)).waits(minutes=10)
    partition = Partition(catalogue=old)
    partition.take(*story.inputs)
    done = len(story.inputs)
    upgraded = partition.restarted(new)
    story.ends("during", used=["live_agent"]).starts("after").ends("after", used=["live_agent"])
    charged = facts_of(upgraded.take(*story.inputs[done:]), "call-charged", "call-admitted")
    by_call = {f["call_id"]: (f["plan_version"], f["amount_micros"]) for f in charged if "amount_micros" in f}
    # Begun under version 1: the second call is an extra one, 3 + 3. Begun under 2: the third is included, 5.
    assert by_call == {"during": (1, usd(6)), "after": (2, usd(5))}
    assert only([f for f in charged if f["type"] == "call-admitted"])["reason"] == "included"
    # Re-ranked, each by its own terms: the first falls away, `during` is the first now, also under version 1.
    adjusted = facts_of(upgraded.take(story.reclassifies("early-01", real=False).inputs[-1]), "charge-adjusted")
    assert [(f["call_id"], f["amount_micros"], f["plan_version"]) for f in adjusted] == [("during", usd(-3), 1)]


def test_gauges_are_read_by_a_scrape_while_partitions_come_and_go() -> None:
    wallets = Partition(number=1_000).wallets
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            for number in range(20):
                wallets.open(number, {})
            for number in range(20):
                wallets.close(number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(5_000):
            assert wallets.gauges()["accounts"] == 0
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(before)
