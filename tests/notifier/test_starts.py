"""Where targets begin: the very first start, a target that comes later, a file that changes."""

from pathlib import Path

from tests.notifier.receiver import Receiver
from tests.notifier.stage import NotifierStage, now_ms, webhook

ACCOUNTS = [f"acct-{number}" for number in range(4)]
HOUR_MS = 3_600_000


def test_the_first_start_skips_what_is_too_old_and_later_ones_send_all(
    stage: NotifierStage, receiver: Receiver
) -> None:
    stage.write(webhook(receiver, types=["balance-low"]))
    stage.send((stage.alert(account) for account in ACCOUNTS), timestamp_ms=now_ms() - 3 * HOUR_MS)
    recent = stage.send((stage.alert(account) for account in ACCOUNTS), timestamp_ms=now_ms() - HOUR_MS)
    # Producers may set older times than those before them.
    stage.send((stage.alert(account) for account in ACCOUNTS), timestamp_ms=now_ms() - 4 * HOUR_MS)
    notifier = stage.started(notify_max_age="2h")
    stage.wait_for(lambda: len(receiver.arrivals) == len(recent), "the recent events")
    stage.wait_settled()
    assert sorted(receiver.ids()) == sorted(recent)
    assert notifier.sample("tollgate_notifier_skipped_total") == 8
    notifier.stop()
    old = stage.send((stage.alert(account) for account in ACCOUNTS), timestamp_ms=now_ms() - 1_000 * HOUR_MS)
    stage.started(notify_max_age="2h")
    stage.wait_settled()
    assert sorted(receiver.ids()) == sorted([*recent, *old])


def test_a_later_start_sends_all(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(receiver))
    stage.started().stop()
    sent = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.started(notify_max_age="1s")
    stage.wait_settled()
    assert sorted(receiver.ids()) == sorted(sent)


def test_a_target_begins_with_what_is_published_after_its_first_sight(
    stage: NotifierStage, receiver: Receiver, other: Receiver
) -> None:
    """Per topic, and also while the notifier runs."""
    stage.write(webhook(receiver, types=["balance-low"]))
    notifier = stage.started()
    before = stage.send(stage.alert(account) for account in ACCOUNTS)
    stage.send((stage.alert(account, "refill-requested") for account in ACCOUNTS), "refills")
    stage.wait_for(lambda: set(receiver.ids()) == set(before), "the events")
    stage.write(
        webhook(receiver, types=["balance-low", "refill-requested"]), webhook(other, "late", types=["balance-low"])
    )
    stage.wait_for(lambda: notifier.events("the file of targets was read again"), "the changed file")
    after = stage.send(stage.alert(account) for account in ACCOUNTS)
    refills = stage.send((stage.alert(account, "refill-requested") for account in ACCOUNTS), "refills")
    stage.wait_for(lambda: len(receiver.arrivals) == 12, "the events of both topics")
    stage.wait_for(lambda: len(other.arrivals) == 4, "the events of the new target")
    stage.wait_settled()
    stage.wait_settled("refills")
    assert sorted(receiver.ids()) == sorted(before + after + refills)
    assert sorted(other.ids()) == sorted(after)


def test_a_wrong_file_leaves_the_former_in_force(stage: NotifierStage, receiver: Receiver, other: Receiver) -> None:
    stage.write(webhook(receiver))
    notifier = stage.started()
    stage.write(webhook(other).replace("secret", "sekret"))
    stage.wait_for(lambda: notifier.sample("tollgate_notifier_file_usable") == 0, "the metric")
    (line,) = notifier.events("the file of targets is unusable: the former stays in force")
    assert "sekret: no such key" in line["reason"]
    sent = stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: receiver.ids() == sent, "the former target")
    stage.write(webhook(other))
    stage.wait_for(lambda: notifier.sample("tollgate_notifier_file_usable") == 1, "the corrected file")
    more = stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: other.ids() == more, "the corrected target")
    assert receiver.ids() == sent


def test_a_removed_target_gets_nothing_and_holds_up_nothing(
    stage: NotifierStage, receiver: Receiver, other: Receiver, tmp_path: Path
) -> None:
    with Receiver() as gone:
        away = webhook(gone, "away")
    stage.write(webhook(receiver), away)
    notifier = stage.started(notify_retries_s="1,60")
    sent = stage.send([stage.alert("acct-1")])
    stage.wait_for(stage.waiting, "a row")
    stage.write(webhook(receiver))
    stage.wait_for(lambda: notifier.events("the file of targets was read again"), "the changed file")
    sent += stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: receiver.ids() == sent, "the other target")
    stage.wait_settled()
    assert len(stage.waiting()) == 1
    stage.write(webhook(receiver), webhook(other, "away"))
    stage.wait_for(lambda: other.ids() == sent[:1], "the row, once the target is back", 100)
    stage.wait_for(lambda: not stage.waiting(), "no row that waits")
    assert tmp_path.exists()
