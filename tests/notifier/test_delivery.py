"""Delivery: at least once per event and target, in log order, whatever the target does."""

import asyncio
import json

from aiohttp import web
from aiokafka import AIOKafkaProducer
from standardwebhooks import Webhook

from schemas.partitioning import partition_of
from tests.notifier.receiver import Arrival, Receiver, accept, fail, status
from tests.notifier.stage import OTHER_SECRET, PARTITIONS, SECRET, NotifierStage, in_order, webhook

ACCOUNTS = [f"acct-{number}" for number in range(6)]


def test_events_arrive_once_signed_as_published_and_in_order(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(receiver, secret=[SECRET, OTHER_SECRET]))
    notifier = stage.started()
    sent = stage.send(stage.alert(account) for _ in range(20) for account in ACCOUNTS)
    stage.wait_for(lambda: len(receiver.arrivals) >= len(sent), "all events")
    stage.wait_settled()
    assert sorted(receiver.ids()) == sorted(sent)
    for account in ACCOUNTS:
        of_account = [one for one in sent if one.startswith(f"{account}/")]
        assert in_order(receiver.ids(), of_account) == of_account
    for arrival in receiver.arrivals:
        assert arrival.path == "/hook?a=%2F"
        assert arrival.body == json.dumps(arrival.event, separators=(", ", ":")).encode()
        for secret in (SECRET, OTHER_SECRET):
            Webhook(secret).verify(arrival.body, dict(arrival.headers))
    assert notifier.sample('tollgate_notifier_attempts_total{outcome="delivered",target="crm"}') == len(sent)
    assert notifier.status("/livez") == 200
    notifier.stop()
    assert not stage.waiting()


def test_a_failed_attempt_is_made_again_and_delays_no_other_event(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(receiver))
    stage.started(notify_retries_s="3,3,3")
    bad, *good = stage_events = [stage.alert("acct-1") for _ in range(10)]

    async def answer(arrival: Arrival) -> web.StreamResponse:
        first = receiver.counts()[bad["id"]] == 1
        return await (fail if arrival.id == bad["id"] and first else accept)(arrival)

    receiver.answer = answer
    stage.send(stage_events)
    stage.wait_for(lambda: receiver.counts()[bad["id"]] == 2, "the retry")
    first, again = (one for one in receiver.arrivals if one.id == bad["id"])
    assert 3.0 <= again.began_s - first.began_s < 3.9, "3 s, up to a tenth more, and the machine's own delay"
    assert all(one.began_s < again.began_s for one in receiver.arrivals if one.id != bad["id"])
    assert {first.headers["webhook-id"]} == {again.headers["webhook-id"]}
    assert receiver.ids()[: len(good) + 1] == [one["id"] for one in stage_events]
    stage.wait_settled()
    stage.wait_for(lambda: not stage.waiting(), "no row that waits")


def test_the_last_retry_gives_up_and_names_the_event(stage: NotifierStage, receiver: Receiver) -> None:
    receiver.answer = fail
    stage.write(webhook(receiver))
    notifier = stage.started(notify_retries_s="0,1")
    (event_id,) = stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: notifier.events("a notification was given up"), "giving up")
    (line,) = notifier.events("a notification was given up")
    assert (line["target"], line["event_id"], line["type"]) == ("crm", event_id, "balance-low")
    assert receiver.counts() == {event_id: 3}
    assert notifier.sample('tollgate_notifier_given_up_total{target="crm"}') == 1
    stage.wait_for(lambda: not stage.waiting(), "no row that waits")


def test_410_gives_the_event_up_at_once(stage: NotifierStage, receiver: Receiver) -> None:
    receiver.answer = status(410)
    stage.write(webhook(receiver))
    notifier = stage.started()
    stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: notifier.events("a notification was given up"), "giving up")
    stage.wait_settled()
    assert len(receiver.arrivals) == 1
    assert not stage.waiting()


def test_a_redirect_is_a_failure_and_is_not_followed(stage: NotifierStage, receiver: Receiver, other: Receiver) -> None:
    receiver.answer = status(307, Location=other.url)
    stage.write(webhook(receiver))
    notifier = stage.started(notify_retries_s="0")
    stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: notifier.events("a notification was given up"), "giving up")
    assert (len(receiver.arrivals), len(other.arrivals)) == (2, 0)


def test_retry_after_replaces_a_shorter_delay(stage: NotifierStage, receiver: Receiver) -> None:
    async def answer(arrival: Arrival) -> web.StreamResponse:
        return await (status(429, Retry_After="3") if len(receiver.arrivals) == 1 else accept)(arrival)

    receiver.answer = answer
    stage.write(webhook(receiver))
    stage.started(notify_retries_s="0,0")
    stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: len(receiver.arrivals) == 2, "the retry")
    first, again = receiver.arrivals
    assert again.began_s - first.began_s >= 3.0


def test_an_event_on_two_topics_is_one_notification(stage: NotifierStage, receiver: Receiver) -> None:
    """Rule P19."""
    stage.write(webhook(receiver, types=["refill-*"]))
    notifier = stage.started()
    declined = stage.alert("acct-1", "refill-declined", reason="expired_card")
    requested = stage.alert("acct-1", "refill-requested", refill_id="r")
    stage.send([declined, requested], "refills")
    stage.send([declined])
    stage.wait_for(lambda: len(receiver.arrivals) == 2, "both events")
    stage.wait_settled("refills")
    stage.wait_settled("alerts")
    assert sorted(receiver.ids()) == sorted([declined["id"], requested["id"]])
    assert notifier.sample('tollgate_notifier_attempts_total{outcome="delivered",target="crm"}') == 2


def test_targets_take_their_types_and_accounts(stage: NotifierStage, receiver: Receiver, other: Receiver) -> None:
    stage.write(
        webhook(receiver, types=["call-stuck"]),
        webhook(other, "theirs", types=["balance-*"], accounts=["acme-*", "acct-2"]),
        webhook(other, "nobody", accounts=[]),
    )
    stage.started()
    stuck = stage.send([stage.alert("acct-1", "call-stuck")])
    low = stage.send([stage.alert("acme-1"), stage.alert("acct-2")])
    stage.send([stage.alert("acct-22"), stage.alert("acct-1")])
    stage.wait_settled()
    assert receiver.ids() == stuck
    assert sorted(other.ids()) == sorted(low)
    assert PARTITIONS == 2


def test_only_committed_events_arrive(stage: NotifierStage, receiver: Receiver) -> None:
    """As the engine writes them: in transactions, some of which are aborted. The offsets pass the markers."""
    stage.write(webhook(receiver))
    stage.started()
    first, aborted, last = ([stage.alert(account) for account in ACCOUNTS] for _ in range(3))

    async def publish() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=stage.settings.bootstrap_servers, transactional_id=stage.settings.app_id
        ) as producer:
            for events, commits in ((first, True), (aborted, False), (last, True)):
                await producer.begin_transaction()
                for event in events:
                    key = event["account_id"].encode()
                    place = {"key": key, "partition": partition_of(key, PARTITIONS)}
                    await producer.send_and_wait(stage.settings.topic("alerts"), json.dumps(event).encode(), **place)
                await (producer.commit_transaction() if commits else producer.abort_transaction())

    asyncio.run(publish())
    stage.wait_settled()
    assert sorted(receiver.ids()) == sorted(event["id"] for event in first + last)


def test_a_record_that_is_no_event_is_skipped_and_counted(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(receiver))
    notifier = stage.started()

    async def publish() -> None:
        async with AIOKafkaProducer(bootstrap_servers=stage.settings.bootstrap_servers) as producer:
            for value in (b"no event", None, b'{"type":"balance-low"}', b'{"type":"new","id":"i","account_id":"a"}'):
                await producer.send_and_wait(stage.settings.topic("alerts"), value, key=b"acct-1", partition=0)

    asyncio.run(publish())
    sent = stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: receiver.ids() == sent, "the event")
    stage.wait_settled()
    assert notifier.sample('tollgate_notifier_unreadable_total{topic="alerts"}') == 3
