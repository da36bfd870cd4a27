"""R6, R7 and P15: what a reversal does to auto-refill and to the card. Money in dollars."""

import pytest

from tests.rules.story import Event, later, only, usd
from tests.rules.wallet import Wallet, wallet

HOUR_MS = 3_600_000


def refilling(amount: str | int = 20) -> Wallet:
    """A refill of that much is paid: the balance stands well above the threshold of $10."""
    return wallet().ticks().refills(amount).pays()


def paused(story: Wallet) -> tuple[bool, list[str]]:
    """Whether auto-refill is paused, and the reasons that the newest input gave."""
    is_paused = bool(story.snapshot()["auto_refill"]["paused"])
    return is_paused, [f["reason"] for f in story.answer("refill-paused")]


REFILL = "acme/refill/1/1"


# R6: a reversal that takes from the wallet pauses an enabled auto-refill: although the balance is below, no request.
@pytest.mark.parametrize(
    ("kind", "amount", "pauses"),
    [("dispute", 20, ["dispute"]), ("refund", 20, ["refund"]), ("dispute_won", 5, []), ("refund_failed", 5, [])],
)
def test_r06_what_takes_from_the_wallet_pauses(kind: str, amount: int, pauses: list[str]) -> None:
    story = refilling().reverses(kind, amount, REFILL)
    assert paused(story) == (bool(pauses), pauses)
    assert story.answer("refill-requested") == []


def test_r06_a_reversal_of_nothing_does_not_pause() -> None:
    story = refilling().says("credits-refund-requested", purchase_id="acme/refill/1")
    story.pays(payment_id="acme/refund/acme/refill/1/1").pays(payment_id="acme/refill/2/1")
    assert paused(story.reverses("dispute", 20, REFILL)) == (False, [])


def test_r06_only_an_enabled_auto_refill_is_paused() -> None:
    story = wallet(20).reverses("dispute", 20)
    assert paused(story) == (False, [])
    assert paused(refilling().refills(enabled=False).reverses("dispute", 20, REFILL)) == (False, [])


def test_r06_already_paused_no_second_alert() -> None:
    story = refilling().buys_paid("p1", 5).reverses("dispute", 20, REFILL)
    assert paused(story.reverses("refund", 5)) == (True, [])


def test_r06_a_waiting_retry_is_dropped() -> None:
    story = wallet(5).ticks().refills(20).declines(retryable=True).reverses("refund", 5)
    assert paused(story) == (True, ["refund"])
    assert not story.snapshot()["auto_refill"]["in_flight"]
    assert story.ticks(days=3).answer("refill-requested") == []


# R6: one in flight keeps its answer; while paused it is given up at once, without a second alert.
@pytest.mark.parametrize("retryable", [True, False])
def test_r06_one_in_flight_is_not_retried_while_paused(retryable: bool) -> None:
    story = wallet(5).ticks().refills(20).reverses("refund", 5)
    assert story.snapshot()["auto_refill"]["in_flight"]
    story.declines(retryable=retryable)
    assert story.answer_types() == ["refill-declined"]
    assert not story.snapshot()["auto_refill"]["in_flight"]
    assert story.ticks(days=3).answer("refill-requested") == []


def test_r06_one_in_flight_is_credited_and_stays_paused() -> None:
    story = wallet(5).ticks().refills(20).reverses("refund", 5).pays()
    assert (story.balance(), paused(story)) == (usd(20), (True, []))


def test_r06_armed_again_the_one_in_flight_is_retried_as_ever() -> None:
    story = wallet(5).ticks().refills(20).reverses("refund", 5).refills().declines(retryable=True)
    requested = only(story.ticks(later(story.now, milliseconds=HOUR_MS)).answer("refill-requested"))
    assert requested["amount_micros"] == usd(20)


# R7: a blocked card that is the default because another was removed is as no card: it arms nothing.
def test_r07_a_blocked_card_that_becomes_the_default_arms_nothing() -> None:
    story = refilling().adds_card("pm2").says("payment-method-defaulted", payment_method_id="pm2")
    story.reverses("dispute", 20, REFILL).says("payment-method-removed", payment_method_id="pm2")
    assert paused(story) == (True, [])
    assert story.answer("refill-requested") == []


# R6 and C14: what arms it again.
@pytest.mark.parametrize(
    ("how", "requests"),
    [
        ("set again", 1),
        ("default again", 1),
        ("default added again", 1),
        ("another default", 1),
        ("purchase requested", 0),
        ("purchase", 1),
        ("won", 0),
        ("failed", 0),
        ("granted", 0),
    ],
)
def test_r06_r07_what_arms_it_again(how: str, requests: int) -> None:
    story = refilling().reverses("dispute", 20, REFILL)
    before = len(story.facts("refill-requested"))
    if how == "set again":
        # The card is still blocked, so another one is set with it.
        story.adds_card("pm2").refills(payment_method_id="pm2")
    elif how == "default again":
        story.says("payment-method-defaulted", payment_method_id="pm1")
    elif how == "default added again":
        story.adds_card("pm1")
    elif how == "another default":
        story.adds_card("pm2").says("payment-method-defaulted", payment_method_id="pm2")
    elif how == "purchase requested":
        story.buys("p1", 1)
    elif how == "purchase":
        story.buys_paid("p1", 1)
    elif how == "won":
        story.is_granted(-20).reverses("dispute_won", 20, REFILL)
    elif how == "failed":
        story.reverses("refund_failed", 20, REFILL)
    else:
        story.is_granted(1)
    assert len(story.facts("refill-requested")) - before == requests


# R7: after a dispute the engine does not use that card by itself.
def blocked_of(story: Wallet) -> list[str]:
    """The cards that a refill of a freshly armed auto-refill does not use."""
    blocked = []
    for card in [e["payment_method_id"] for e in story.inputs if e["type"] == "payment-method-added"]:
        probe = Wallet()
        probe.inputs, probe.now = list(story.inputs), later(story.now, seconds=1)
        probe.refills(20, threshold_micros=usd(1_000), payment_method_id=card, enabled=True)
        asked: list[Event] = probe.answer("payment-requested")
        if card not in [f["payment_method_id"] for f in asked]:
            blocked.append(card)
    return blocked


@pytest.mark.parametrize(
    ("kinds", "blocked"),
    [
        ([("dispute", 20)], ["pm1"]),
        ([("dispute", 1)], ["pm1"]),
        ([("refund", 20)], []),
        ([("refund_failed", 5)], []),
        ([("dispute_won", 5)], []),
        ([("dispute", 20), ("dispute_won", 20)], []),
        ([("dispute", 20), ("dispute_won", 19)], ["pm1"]),
        ([("dispute", 10), ("dispute", 10), ("dispute_won", 10)], ["pm1"]),
        # Nothing was left to take, and it is a dispute all the same.
        ([("refund", 20), ("dispute", 20)], ["pm1"]),
        ([("refund", 20), ("dispute", 20), ("dispute_won", 20)], []),
    ],
)
def test_r07_a_dispute_blocks_its_card_until_it_is_won(kinds: list[tuple[str, int]], blocked: list[str]) -> None:
    story = wallet(20).adds_card("pm2")
    for kind, amount in kinds:
        story.reverses(kind, amount)
    assert blocked_of(story) == blocked


def test_r07_every_dispute_of_the_card_must_be_won() -> None:
    story = wallet(20, 10).reverses("dispute", 20).reverses("dispute", 10, "p2").reverses("dispute_won", 20)
    assert blocked_of(story) == ["pm1"]
    assert blocked_of(story.reverses("dispute_won", 10, "p2")) == []


# R7: until the owner adds that card again, makes it default again or requests a purchase with it.
@pytest.mark.parametrize("how", ["added again", "default again", "purchase"])
def test_r07_the_owner_frees_the_card(how: str) -> None:
    story = wallet(20).adds_card("pm2").reverses("dispute", 20)
    if how == "added again":
        story.adds_card("pm1")
    elif how == "default again":
        story.says("payment-method-defaulted", payment_method_id="pm1")
    else:
        story.buys("p9", 1, payment_method_id="pm1")
        assert only(story.answer("payment-requested"))["payment_method_id"] == "pm1"
    assert blocked_of(story) == []


def test_r07_another_purchase_does_not_free_it() -> None:
    story = wallet(20).adds_card("pm2").reverses("dispute", 20).buys("p9", 1, payment_method_id="pm2")
    assert blocked_of(story) == ["pm1"]


# R7: another card under the same id is not blocked: replaced before the dispute, or since.
@pytest.mark.parametrize("when", ["before", "since", "removed before"])
def test_r07_another_card_under_the_same_id_is_not_blocked(when: str) -> None:
    story = wallet(20)
    if when == "removed before":
        story.says("payment-method-removed", payment_method_id="pm1")
    if when != "since":
        story.adds_card("pm1", token="tok_new", last4="1111")
    story.reverses("dispute", 20)
    if when == "since":
        story.adds_card("pm1", token="tok_new", last4="1111")
    assert blocked_of(story)[:1] == []


# R7: the chosen card is blocked: the default one is used; the default one is blocked too: as without a card.
def test_r07_a_refill_uses_the_default_card_instead() -> None:
    story = wallet().adds_card("pm2").buys("p1", 20, payment_method_id="pm2").pays()
    story.reverses("dispute", 20).refills(20, payment_method_id="pm2")
    assert only(story.answer("payment-requested"))["payment_method_id"] == "pm1"
    story = wallet(20).reverses("dispute", 20).refills(20)
    assert story.answer() == []


# R7: a retry that falls due is not sent; without a card it is dropped (P20).
def test_r07_a_retry_is_not_sent_to_a_blocked_card() -> None:
    story = wallet(20).is_granted(-15).ticks().refills(20).declines(retryable=True).is_granted(30)
    # Nothing is left to take of a refunded purchase, so that auto-refill is not paused.
    story.says("credits-refund-requested", purchase_id="p1").pays(payment_id="acme/refund/p1/1")
    story.reverses("refund", 15).is_granted(-40).refills()
    story.reverses("dispute", 20)
    assert story.ticks(hours=2).answer("refill-requested") == []


# A1 and A2: what the alerts say. Severity of (kind, whether of one of our refunds).
@pytest.mark.parametrize(
    ("kind", "of", "severity"),
    [
        ("dispute", "p1", "critical"),
        ("refund", "p1", "critical"),
        ("dispute_won", "p1", "info"),
        ("refund_failed", "p1", "info"),
        ("refund_failed", "acme/refund/p2/1", "critical"),
    ],
)
def test_a01_a02_the_alert_of_a_reversal(kind: str, of: str, severity: str) -> None:
    story = wallet(20, 10).refunds("p2").pays().reverses(kind, 5, of)
    alert = only(story.answer("payment-reversed"))
    assert (alert["severity"], alert["audience"], alert["amount_micros"]) == (severity, "operator", usd(5))
    assert (alert["brand"], alert["last4"], alert["currency"]) == ("visa", "4242", "USD")


# R6 and A2: the pause names the next refill and its amount, and no card.
def test_r06_a02_the_pause_of_a_reversal() -> None:
    alert = only(refilling().reverses("dispute", 20, REFILL).answer("refill-paused"))
    assert (alert["severity"], alert["refill_id"], alert["amount_micros"]) == ("critical", "acme/refill/2", usd(20))
    assert "brand" not in alert


# The snapshot says which cards are blocked, why auto-refill is paused, and what can be refunded until when.
def test_r07_p13_the_snapshot_shows_it() -> None:
    story = wallet(20, 10).ticks().adds_card("pm2").refills(5).uses(4).reverses("dispute", 10, "p2")
    snapshot = story.snapshot()
    assert {c["payment_method_id"]: c["blocked"] for c in snapshot["payment_methods"]} == {"pm1": True, "pm2": False}
    assert snapshot["auto_refill"]["paused_reason"] == "dispute"
    assert [(r["purchase_id"], r["amount_micros"]) for r in snapshot["refundable"]] == [("p1", usd(16))]
    assert snapshot["refundable"][0]["until"].startswith("2026-01-31T00:00:00")
    assert story.ticks(days=31).uses(1).snapshot()["refundable"] == []
