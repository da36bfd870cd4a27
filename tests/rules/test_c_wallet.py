"""C1, C10, C12, C15, C17 and P10: the wallet, its alerts and its purchases. Money in dollars."""

from typing import Any

import pytest

from tests.rules.story import ALL, BOTH, Story, only, opened, usd


def entries(story: Story) -> list[tuple[str, int, int, str]]:
    """(kind, amount, balance after, reference) of the ledger, micros."""
    return [
        (e["kind"], e["amount_micros"], e["balance_after_micros"], e["reference"])
        for e in story.facts("ledger-entry-posted")
    ]


# C1 and C10: added first, drawn automatically, a little below zero at most, the debt paid by what comes next.
def test_c10_the_debt_is_taken_from_the_next_credits_added() -> None:
    story = opened(*ALL).is_granted("0.01", "first").calls(25).call("c26", used=BOTH).is_granted(20, "second")
    assert entries(story) == [
        ("grant", usd("0.01"), usd("0.01"), "first"),
        ("charge", usd(-6), usd("-5.99"), "c26"),
        ("grant", usd(20), usd("14.01"), "second"),
    ]


def test_c10_credits_never_expire_and_carry_over() -> None:
    story = opened("live_agent", credit=20).ticks("2028-01-01T00:00:00Z").call("c1", used=BOTH)
    assert story.balance() == usd(17)
    # Nor does a new period charge anything by itself.
    assert [e[0] for e in entries(story)] == ["grant", "charge"]


# P18: no ledger entry for amount 0.
def test_p18_a_charge_of_zero_posts_no_ledger_entry() -> None:
    assert opened().call("c1").answer_types() == ["call-charged"]


# C12: only a successful payment adds credits, at once.
def test_c12_only_a_successful_payment_adds_credits() -> None:
    story = opened().adds_card().buys("p1", 20)
    asked = only(story.answer())
    assert (asked["type"], asked["purpose"], asked["amount_micros"]) == ("payment-requested", "purchase", usd(20))
    assert (asked["payment_method_id"], asked["token"], asked["currency"]) == ("pm1", "tok_pm1", "USD")
    assert story.balance() == 0
    assert entries(story.pays()) == [("purchase", usd(20), usd(20), "p1")]


def test_c12_a_declined_card_adds_nothing_and_tells_why() -> None:
    story = opened().adds_card().buys("p1", 20).declines(reason="insufficient_funds")
    alert = only(story.answer())
    assert (alert["type"], alert["purchase_id"], alert["reason"]) == ("purchase-declined", "p1", "insufficient_funds")
    assert story.balance() == 0


# C12 and P7: the same purchase never charges twice, whatever became of it.
@pytest.mark.parametrize("became", ["open", "paid", "declined"])
def test_c12_p07_the_same_purchase_id_never_charges_twice(became: str) -> None:
    story = opened().adds_card().buys("p1", 20)
    if became != "open":
        story = story.pays() if became == "paid" else story.declines()
    story.buys("p1", 50)
    assert story.answer() == []
    assert len(story.facts("payment-requested")) == 1


def test_c12_each_purchase_has_a_payment_id_of_its_own() -> None:
    story = opened().adds_card().buys("p1", 20).buys("p2", 20)
    assert len({fact["payment_id"] for fact in story.facts("payment-requested")}) == 2


@pytest.mark.parametrize("answer", ["pays", "declines"])
def test_p07_the_same_answer_again_is_a_repeat(answer: str) -> None:
    story = getattr(opened().adds_card().buys("p1", 20), answer)()
    balance = story.balance()
    assert getattr(story, answer)().answer() == []
    assert story.balance() == balance


def test_c12_the_card_that_was_asked_for_is_charged() -> None:
    story = opened().adds_card().adds_card("pm2").buys("p1", 5).buys("p2", 5, payment_method_id="pm2")
    assert [fact["payment_method_id"] for fact in story.facts("payment-requested")] == ["pm1", "pm2"]


# C17: grants, corrections by hand: on the ledger like anything else; the same `grant_id` again is a repeat (P7).
def test_c17_support_grants_and_takes_back() -> None:
    story = opened().is_granted(5, "g1").is_granted("-7.5", "g2").is_granted(99, "g1")
    assert entries(story) == [("grant", usd(5), usd(5), "g1"), ("grant", usd("-7.5"), usd("-2.5"), "g2")]


@pytest.mark.parametrize("missing", ["actor", "reason", "grant_id", "amount_micros"])
def test_c17_a_grant_names_who_and_why(missing: str) -> None:
    story = opened().is_granted(5)
    del story.inputs[-1][missing]
    assert story.refusal() == "schema_invalid"


# C15 and P10, default thresholds $10 and $0: (movements in dollars, alerts as threshold and balance).
@pytest.mark.parametrize(
    ("movements", "alerts"),
    [
        # A new account has been above nothing.
        ([], []),
        (["5"], []),
        # At the threshold 0 the wallet is empty; at another one nothing is told.
        (["5", "-5"], [(0, "0")]),
        (["5", "-5", "-1"], [(0, "0")]),
        (["5", "-5", "1", "-1"], [(0, "0"), (0, "0")]),
        (["5", "-5.01"], [(0, "-0.01")]),
        (["10", "-1"], []),
        (["10.01", "-0.01"], []),
        (["10.01", "-0.02"], [(10, "9.99")]),
        (["20", "-11"], [(10, "9")]),
        # Once on each crossing.
        (["20", "-11", "-1", "-1"], [(10, "9")]),
        # Armed again only above, not at, the threshold.
        (["20", "-11", "1", "-1"], [(10, "9")]),
        (["20", "-11", "2", "-2"], [(10, "9"), (10, "9")]),
        # Two thresholds at once, the highest first.
        (["20", "-21"], [(10, "-1"), (0, "-1")]),
        (["20", "-20", "-1"], [(10, "0"), (0, "0")]),
    ],
    ids=repr,
)
def test_c15_p10_a_low_balance_is_told_once_on_each_crossing(
    movements: list[str], alerts: list[tuple[int, str]]
) -> None:
    story = opened()
    for amount in movements:
        story.is_granted(amount)
    told = [(f["threshold_micros"], f["balance_micros"]) for f in story.facts("balance-low")]
    assert told == [(usd(threshold), usd(balance)) for threshold, balance in alerts]


@pytest.mark.parametrize(
    ("balance", "thresholds_usd", "then", "alerts"),
    [
        # Set while above: armed. While below or at it: not.
        ("20", [15], "-6", [(15, "14")]),
        ("12", [15], "-6", []),
        ("15", [15], "-6", []),
        ("20", [], "-25", []),
        ("20", [15, 15, 5], "-16", [(15, "4"), (5, "4")]),
    ],
)
def test_p10_the_owners_thresholds_arm_what_the_balance_is_above(
    balance: str, thresholds_usd: list[int], then: str, alerts: list[tuple[int, str]]
) -> None:
    story = opened(credit=balance).says("alert-thresholds-set", thresholds_micros=[usd(t) for t in thresholds_usd])
    assert story.answer("balance-low") == []
    told = [(f["threshold_micros"], f["balance_micros"]) for f in story.is_granted(then).facts("balance-low")]
    assert told == [(usd(threshold), usd(left)) for threshold, left in alerts]


# P10: at the first redirect for an empty wallet, and once more when there is something again, with the total, if more
# than one.
@pytest.mark.parametrize(("redirects", "notices"), [(0, []), (1, [1]), (2, [1, 2]), (5, [1, 5])])
def test_p10_the_notice_to_add_funds_once_an_episode(redirects: int, notices: list[int]) -> None:
    story = opened(*ALL).calls(25)
    for n in range(redirects):
        story.starts(f"c{n}")
    story.is_granted("0.01")
    assert [fact["redirected_calls"] for fact in story.facts("funds-needed")] == notices


def test_p10_a_new_episode_counts_anew() -> None:
    story = opened(*ALL).calls(25).starts("c1").starts("c2").is_granted(1).is_granted(-1)
    story.starts("c3").starts("c4").starts("c5").is_granted(1)
    assert [fact["redirected_calls"] for fact in story.facts("funds-needed")] == [1, 2, 1, 3]


def test_p10_calls_redirected_for_another_reason_are_no_episode() -> None:
    story = opened(*BOTH).calls(25).starts("c1").starts("c2").is_granted(5)
    assert [f["reason"] for f in story.facts("call-redirected")] == ["extra_calls_off"] * 2
    assert story.facts("funds-needed") == []


# Available, not the balance: a hold that is released ends the episode, credits that a hold exceeds do not.
def test_p10_the_episode_ends_when_available_is_above_zero_again() -> None:
    story = opened("extra_calls", credit=1).calls(25).starts("open").starts("c1").starts("c2").is_granted(2)
    assert story.answer("funds-needed") == []
    assert only(story.ends("open", answered=False).answer("funds-needed"))["redirected_calls"] == 2


def test_c01_the_ledger_sums_to_the_balance() -> None:
    story = opened(*ALL, credit=10).adds_card().calls(30, used=BOTH).buys("p1", "12.34").pays().calls(2, "late-")
    story.reclassifies("early-03", real=False).reclassifies("early-29", real=False)
    running = 0
    for _, amount, after, _ in entries(story):
        running += amount
        assert after == running
    assert running == story.balance()


# Holds are no movement: the balance of a call in progress is not touched.
@pytest.mark.parametrize("end", [{"used": BOTH}, {"answered": False}])
def test_c01_a_hold_is_not_on_the_ledger(end: dict[str, Any]) -> None:
    story = opened(*BOTH, credit=10).starts("c1")
    assert story.answer_types() == ["call-admitted"]
    assert story.balance() == usd(10)
    assert story.ends("c1", **end).snapshot()["held_micros"] == 0
