"""Dead letters are sent back once their cause is removed. Each counts once; cut and emptied ones are left."""

import json

import pytest

from stream.fail_stop import Exit
from tests.agents.partition import Event
from tests.lane.stage import PARTITIONS
from tests.repair.stage import RepairStage

AT = "2026-01-01T00:00:00Z"
BOMB = b"x" * (5 << 20)

# A dozen worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)


def grant(n: int) -> Event:
    return {
        "type": "credits-granted",
        "id": f"in-{n}",
        "account_id": f"new-{n}",
        "occurred_at": AT,
        "grant_id": f"g-{n}",
        "amount_micros": 5_000_000,
        "reason": "r",
        "actor": "a",
    }


def opening(n: int) -> Event:
    return {"type": "account-opened", "id": f"open-{n}", "account_id": f"new-{n}", "occurred_at": AT, "plan": "free"}


def letters_of_all_kinds(stage: RepairStage) -> None:
    """Twelve letters of accounts that are not open, and one of each kind that can never be sent back."""
    stage.worker().wait_owned()
    stage.publish([grant(n) for n in range(12)])
    card: Event = {"token": "4242 4242 4242 4242", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
    added = {"type": "payment-method-added", "id": "card", "account_id": "new-1", "occurred_at": AT}
    stage.publish([{**added, "payment_method_id": "pm", **card}])
    stage.write(stage.topic("account-events"), [(2, b"k", BOMB)], compression_type="gzip")
    stage.write(stage.topic("account-events"), [(3, b"*", b"{"), (3, None, b"{"), (3, b"k", b"")])
    stage.wait_decided()


def leaves_what_cannot_be_sent(stage: RepairStage) -> None:
    never = stage.run("redrive", "--code", "card_number_refused", "--code", "too_large", "--apply", status=1)
    assert "its value was emptied" in never
    assert "it was cut" in never
    assert "2 found, 0 sent to the inputs, 2 left" in never
    odd = stage.run("redrive", "--code", "malformed_json", "--partition", "3", "--apply", status=1)
    assert "3 found, 0 sent to the inputs, 3 left" in odd
    assert "it is a tick" in odd
    assert "it has no key" in odd
    none = stage.run("redrive", "--code", "unknown_account", "--until", "2020-01-01T00:00:00Z", "--apply")
    assert "no dead letter of these codes" in none
    assert "expected 0 to 7" in stage.run("redrive", "--code", "too_late", "--partition", "8", status=Exit.PERSON)
    assert "expected an RFC 3339 time" in stage.run("redrive", "--code", "too_late", "--since", "yesterday", status=2)


def test_letters_are_sent_back_by_code_once_their_cause_is_removed(stage: RepairStage) -> None:
    """Over 20 s: a real worker, and six runs of the command."""
    letters_of_all_kinds(stage)
    letters = len(stage.read(stage.topic("dead-letters")))
    ends = stage.ends(stage.topic("account-events"))

    counted = stage.run("redrive", "--code", "unknown_account")
    assert "12 found, 12 can be sent, 0 cannot; nothing was sent" in counted
    assert "unknown_account" in counted
    leaves_what_cannot_be_sent(stage)
    assert stage.ends(stage.topic("account-events")) == ends

    stage.publish([opening(n) for n in range(10)])
    for found in (12, 14):
        output = stage.run("redrive", "--code", "unknown_account", "--until", "2999-01-01T00:00:00Z", "--apply")
        assert f"{found} found, {found} sent to the inputs, 0 left" in output
        stage.wait_decided()
    entries = [json.loads(record.value) for record in stage.read(stage.topic("ledger-entries"))]
    assert sorted(entry["account_id"] for entry in entries) == sorted(f"new-{n}" for n in range(10))
    # Two accounts are still not open: the first run gives 2 new letters, and the second, with the old ones, 4.
    assert len(stage.read(stage.topic("dead-letters"))) == letters + 2 + 4
    again = [record for record in stage.read(stage.topic("account-events")) if record.key == b"new-3"]
    assert len({(record.partition, record.value) for record in again}) == 2
    assert all(not name.startswith("errors.") for record in again for name, _ in record.headers)
    assert {record.partition for record in again} <= set(range(PARTITIONS))
