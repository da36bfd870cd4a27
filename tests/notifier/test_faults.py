"""Faults: kills, rebalances, receivers that hang or are away."""

import asyncio
import signal
from collections import Counter

from aiohttp import web

from tests.notifier.receiver import Arrival, Receiver, accept, fail, hang
from tests.notifier.stage import NotifierStage, in_order, webhook

ACCOUNTS = [f"acct-{number}" for number in range(8)]


def test_kill_between_attempts_keeps_the_schedule(stage: NotifierStage, receiver: Receiver) -> None:
    receiver.answer = fail
    stage.write(webhook(receiver))
    notifier = stage.started(notify_retries_s="8,1")
    (event_id,) = stage.send([stage.alert("acct-1")])
    stage.wait_for(stage.waiting, "the row of the retry")
    stage.wait_settled()
    notifier.kill()
    (row,) = stage.waiting().values()
    assert (row["attempts"], row["account_id"]) == (1, "acct-1")
    receiver.answer = accept
    stage.started(notify_retries_s="8,1")
    stage.wait_for(lambda: not stage.waiting(), "the retry")
    first, again = receiver.arrivals
    assert again.id == event_id
    assert again.began_s - first.began_s >= 8.0


def test_kills_lose_nothing(stage: NotifierStage, receiver: Receiver) -> None:
    """SIGKILL again and again, while one receiver fails now and then. Kills take a session time-out each."""
    seen: Counter[str] = Counter()

    async def answer(arrival: Arrival) -> web.StreamResponse:
        seen[arrival.id] += 1
        await asyncio.sleep(0.005)
        return await (fail if hash(arrival.id) % 7 == 0 and seen[arrival.id] == 1 else accept)(arrival)

    receiver.answer = answer
    stage.write(webhook(receiver))
    sent: list[str] = []
    for _ in range(3):
        notifier = stage.started(session_timeout_ms=6_000)
        sent += stage.send(stage.alert(account) for _ in range(40) for account in ACCOUNTS)
        wanted = len(sent) - 200
        stage.wait_for(lambda wanted=wanted: len(seen) >= wanted, "some of the events")
        notifier.kill()
    stage.started()
    stage.wait_for(lambda: set(sent) == set(seen), "every event")
    stage.wait_settled()
    stage.wait_for(lambda: not stage.waiting(), "no row that waits")
    for account in ACCOUNTS:
        of_account = [one for one in sent if one.startswith(f"{account}/")]
        assert in_order(receiver.ids(), of_account) == of_account


def test_two_share_the_partitions_and_one_takes_over(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(receiver))
    one, two = stage.start(), stage.start()
    stage.wait_for(
        lambda: one.ready() and two.ready() and sorted([*one.assigned(), *two.assigned()]) == [0, 1],
        "a partition each",
    )
    sent = stage.send(stage.alert(account) for _ in range(10) for account in ACCOUNTS)
    stage.wait_for(lambda: set(receiver.ids()) == set(sent), "every event")
    stage.wait_settled()
    assert max(receiver.counts().values()) == 1, "an orderly rebalance repeats nothing that was settled"
    two.stop()
    stage.wait_for(lambda: one.assigned() == [0, 1] and one.ready(), "the take-over")
    more = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.wait_for(lambda: set(more) <= set(receiver.ids()), "the events after the take-over")
    assert max(receiver.counts().values()) == 1


def test_a_receiver_that_is_away_gets_all_when_it_comes_back(stage: NotifierStage) -> None:
    with Receiver() as receiver:
        port = receiver.port
        stage.write(webhook(receiver))
    stage.started(notify_retries_s="2,2,2,2,2,2,2,2")
    sent = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.wait_for(lambda: len(stage.waiting()) == len(sent), "a row for each event")
    with Receiver(port=port) as receiver:
        stage.wait_for(lambda: set(receiver.ids()) == set(sent), "every event")
        stage.wait_for(lambda: not stage.waiting(), "no row that waits")


def test_a_target_that_hangs_rests_and_holds_up_nobody(
    stage: NotifierStage, receiver: Receiver, other: Receiver
) -> None:
    """A time-out takes 15 s and the rest a minute. A kill in the middle forgets neither the rest nor the order."""
    receiver.answer = hang
    stage.write(webhook(receiver), webhook(other, "quick"))
    notifier = stage.started(notify_retries_s="100")
    sent = stage.send(stage.alert("acct-1") for _ in range(5))
    stage.wait_for(lambda: other.ids() == sent, "the quick target", 10)
    assert len(receiver.arrivals) == 1
    stage.wait_for(lambda: len(stage.waiting()) == len(sent), "all in the rows topic", 25)
    more = stage.send(stage.alert("acct-1") for _ in range(5))
    stage.wait_for(lambda: other.ids() == sent + more, "the quick target", 10)
    stage.wait_settled()
    assert len(receiver.arrivals) == 1, "no attempt during the rest"
    assert len(stage.waiting()) == 10
    receiver.answer = accept
    notifier.kill()
    stage.started(notify_retries_s="100")
    last = stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: len(set(receiver.ids())) == 11, "the first attempts", 80)
    assert in_order(receiver.ids(), sent + more + last) == sent + more + last
    assert receiver.arrivals[1].began_s - receiver.arrivals[0].began_s >= 60
    stage.wait_for(lambda: len(stage.waiting()) == 1, "only the retry of the one that hung")


def test_a_slow_target_holds_up_nobody(stage: NotifierStage, receiver: Receiver, other: Receiver) -> None:
    """More events than memory holds wait for the slow target in the rows topic, and the offsets go on."""

    async def slow(arrival: Arrival) -> web.StreamResponse:
        await gate.wait()
        return await accept(arrival)

    gate = asyncio.Event()
    receiver.answer = slow
    stage.write(webhook(receiver), webhook(other, "quick"))
    stage.started()
    sent = stage.send(stage.alert(account) for _ in range(150) for account in ACCOUNTS)
    stage.wait_for(lambda: len(set(other.ids())) == len(sent), "the quick target", 14)
    receiver.answer = accept
    receiver.run_soon(gate.set)
    stage.wait_for(lambda: len(set(receiver.ids())) == len(sent), "the slow target")
    stage.wait_settled()
    stage.wait_for(lambda: not stage.waiting(), "no row that waits")
    for account in ACCOUNTS:
        of_account = [one for one in sent if one.startswith(f"{account}/")]
        assert in_order(receiver.ids(), of_account) == of_account


def test_sigterm_lets_an_attempt_end(stage: NotifierStage, receiver: Receiver) -> None:
    async def slow(arrival: Arrival) -> web.StreamResponse:
        await asyncio.sleep(2)
        return await accept(arrival)

    receiver.answer = slow
    stage.write(webhook(receiver))
    notifier = stage.started()
    stage.send(stage.alert("acct-1") for _ in range(3))
    stage.wait_for(lambda: receiver.arrivals, "the first attempt")
    notifier.stop()
    assert len(receiver.arrivals) == 1
    receiver.answer = accept
    stage.started()
    stage.wait_for(lambda: len(receiver.arrivals) == 3, "the others")
    stage.wait_settled()
    assert max(receiver.counts().values()) == 1


def test_a_rebalance_during_attempts_and_retries(stage: NotifierStage, receiver: Receiver) -> None:
    """Processes come and go while attempts are slow and retries wait; every event arrives."""
    seen: Counter[str] = Counter()

    async def answer(arrival: Arrival) -> web.StreamResponse:
        seen[arrival.id] += 1
        await asyncio.sleep(0.1)
        return await (fail if seen[arrival.id] == 1 else accept)(arrival)

    receiver.answer = answer
    stage.write(webhook(receiver))
    one = stage.started(notify_retries_s="1,1,1,1")
    sent = stage.send(stage.alert(account) for _ in range(20) for account in ACCOUNTS)
    two = stage.started(notify_retries_s="1,1,1,1")
    stage.wait_for(lambda: sorted([*one.assigned(), *two.assigned()]) == [0, 1], "a partition each")
    one.stop()
    stage.wait_for(lambda: two.assigned() == [0, 1], "the take-over")
    stage.wait_for(lambda: all(seen[event] > 1 for event in sent), "the retry of every event", 90)
    stage.wait_for(lambda: not stage.waiting(), "no row that waits", 60)
    stage.wait_settled()
    two.stop()


def test_lost_rows_lose_only_what_waited(stage: NotifierStage, receiver: Receiver) -> None:
    """The rows topic was deleted. Targets go on where the group's offsets are, and forget no event after them."""
    stage.write(webhook(receiver))
    notifier = stage.started()
    first = stage.send([stage.alert(account) for account in ACCOUNTS])
    stage.wait_for(lambda: set(receiver.ids()) == set(first), "the events")
    stage.wait_settled()
    notifier.stop()
    second = stage.send([stage.alert(account) for account in ACCOUNTS])
    stage.delete_rows()
    stage.started()
    stage.wait_for(lambda: set(receiver.ids()) == set(first + second), "the events after the offsets")
    assert max(receiver.counts().values()) == 1


def test_a_process_that_was_frozen_joins_again(stage: NotifierStage, receiver: Receiver) -> None:
    """The other one takes its partitions over after a session time-out; what it still does is at most a repeat."""
    stage.write(webhook(receiver))
    one, two = stage.started(), stage.started()
    stage.wait_for(lambda: sorted([*one.assigned(), *two.assigned()]) == [0, 1], "a partition each")
    one.process.send_signal(signal.SIGSTOP)
    sent = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.wait_for(lambda: two.assigned() == [0, 1], "the take-over")
    stage.wait_for(lambda: set(receiver.ids()) == set(sent), "every event")
    one.process.send_signal(signal.SIGCONT)
    stage.wait_for(lambda: sorted([*one.assigned(), *two.assigned()]) == [0, 1] and one.ready(), "a partition each")
    more = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.wait_for(lambda: set(receiver.ids()) == set(sent + more), "the later events")
    stage.wait_settled()
    one.stop()
    two.stop()
