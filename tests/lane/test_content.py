"""A record whose content the broker refuses is found by halving: it becomes a dead letter, all others count."""

import hashlib
from collections import Counter

import msgspec
import pytest
from aiokafka import ConsumerRecord

from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from tests.lane.operator import configure, delete_topic
from tests.lane.stage import PARTITIONS, Stage
from tests.lane.tally import Deposit

LARGE, SMALL = b"x" * 3_000, b"not a deposit"


def letters(stage: Stage, count: int) -> list[ConsumerRecord]:
    return stage.read(stage.topic("dead-letters"), lambda found: len(found) >= count)


def code_of(record: ConsumerRecord) -> bytes:
    return bytes(dict(record.headers)["errors.code"])


def test_a_record_that_the_dead_letters_do_not_take_is_named_by_its_address(stage: Stage) -> None:
    stage.create_topics()
    configure(stage.bootstrap, stage.topic("dead-letters"), max_message_bytes="2000")
    inputs = stage.topic("account-events")
    stage.send(stage.deposits(300))
    stage.write(inputs, [(p, b"k", value) for p in range(PARTITIONS) for value in (SMALL, LARGE, SMALL)])
    stage.send(stage.deposits(300))
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.check_exactly_once()
    found = letters(stage, 3 * PARTITIONS)
    assert Counter(map(code_of, found)) == {b"malformed_json": 2 * PARTITIONS, b"unreadable_record": PARTITIONS}
    sent = {(r.partition, r.offset): r for r in stage.read(inputs)}
    for record in (record for record in found if code_of(record) == b"unreadable_record"):
        headers = {name: value.decode() for name, value in record.headers}
        cause = sent[int(headers["errors.partition"]), int(headers["errors.offset"])]
        assert (record.key, record.value, record.partition) == (None, b"", cause.partition)
        assert cause.value == LARGE
        assert headers["errors.sha256"] == hashlib.sha256(LARGE).hexdigest()
        assert headers["errors.size"] == str(len(LARGE))
        assert headers["errors.topic"] == inputs
        assert headers["errors.timestamp"] == str(cause.timestamp)
        assert all(name.startswith("errors.") for name in headers)
    refusals = worker.events("a batch was refused for its content")
    assert {refusal["error"] for refusal in refusals} == {"MessageSizeTooLargeError"}
    assert worker.process.poll() is None


def test_a_fact_that_its_topic_does_not_take_costs_only_the_input_it_is_of(stage: Stage) -> None:
    """Charges are so small a topic here that whole batches are refused for their size."""
    stage.create_topics()
    configure(stage.bootstrap, stage.topic("charges"), max_message_bytes="1500")
    stage.send(stage.deposits(400))
    stage.send([Deposit("too-large", "a" * 2_000, 1)])
    stage.send(stage.deposits(400))
    stage.worker(clock="none").wait_owned()
    stage.check_exactly_once()
    [letter] = letters(stage, 1)
    assert code_of(letter) == b"unreadable_record"
    # The state goes with the facts: what was dead-lettered has left no trace, and the table is whole.
    stage.worker(clock="none").wait_owned(PARTITIONS // 2)
    stage.send(stage.deposits(100))
    stage.check_exactly_once()


def test_halving_goes_on_where_a_table_takes_long_to_open(stage: Stage) -> None:
    """A refused batch is decided again from the table, which is opened again. The watchdog sees the progress.

    30 s, because a partition is opened a dozen times.
    """
    stage.create_topics()
    configure(stage.bootstrap, stage.topic("charges"), max_message_bytes="3000")
    deposits = [Deposit(f"d{n}", "account-1", 1) for n in range(60)]
    deposits.insert(0, Deposit("too-large", "a" * 4_000, 1))
    stage.sent += [deposit for deposit in deposits if deposit.id != "too-large"]
    home = partition_of(b"account-1", PARTITIONS)
    records = [(home, b"account-1", msgspec.json.encode(deposit)) for deposit in deposits]
    stage.write(stage.topic("account-events"), records)
    worker = stage.worker(clock="none", TALLY_OPEN_PAUSE_S=1.2, stalled_after_s=2)
    worker.wait_owned(seconds=120)
    stage.check_exactly_once()
    [letter] = letters(stage, 1)
    assert code_of(letter) == b"unreadable_record"
    assert worker.process.poll() is None, worker.tail()


def test_when_even_the_letter_is_refused_a_person_is_needed(stage: Stage) -> None:
    stage.create_topics()
    configure(stage.bootstrap, stage.topic("dead-letters"), max_message_bytes="300")
    stage.write(stage.topic("account-events"), [(3, b"k", LARGE)])
    status, last = stage.worker(clock="none").wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith("the broker refused even the dead letter of a record")
    assert (last["topics"], last["partition"], last["offset"]) == ([stage.topic("dead-letters")], 3, 0)


@pytest.mark.parametrize("gone", ["charges", "dead-letters"])
def test_a_refusal_for_another_reason_than_content_is_named(stage: Stage, gone: str) -> None:
    """A topic is deleted while a worker writes to it. It is certain that nothing was committed."""
    worker = stage.worker(clock="none", transaction_timeout_ms=3_000)
    worker.wait_owned()
    delete_topic(stage.bootstrap, stage.topic(gone))
    stage.send(stage.deposits(10))
    stage.write(stage.topic("account-events"), [(3, b"k", SMALL)])
    status, last = worker.wait_ended(60)
    assert status == Exit.PASSING
    assert last["reason"] == "a step of a transaction failed: nothing of it is committed"
    assert last["error"]
