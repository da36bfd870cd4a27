"""C7 to C9 and P1, P6: the gate before each call connects. Money in dollars."""

from collections.abc import Callable

import pytest

from tests.rules.story import ALL, BOTH, SIGNUP, Story, only, opened, plans, usd


# C8. (switches on, credit, counted calls before) -> connects?, reason, features on the call, hold in dollars.
@pytest.mark.parametrize(
    ("on", "credit", "earlier", "admitted", "reason", "features", "hold_usd"),
    [
        ((), 0, 0, True, "included", [], 0),
        ((), 20, 24, True, "included", [], 0),
        # C9: the hold is the worst the call can cost, capped.
        (ALL, 20, 0, True, "included", sorted(ALL), 6),
        (("live_agent",), 20, 0, True, "included", ["live_agent"], 3),
        (("extra_calls",), 20, 24, True, "included", ["extra_calls"], 0),
        (("extra_calls",), 20, 25, True, "credits", ["extra_calls"], 3),
        (ALL, 20, 25, True, "credits", sorted(ALL), 6),
        # Above $0 is one micro above it.
        (ALL, "0.01", 25, True, "credits", sorted(ALL), 6),
        # At $0, within the included calls: connects without paid features.
        (ALL, 0, 9, True, "included", [], 0),
        (ALL, 0, 24, True, "included", [], 0),
        # Call 26.
        (ALL, 0, 25, False, "insufficient_balance", None, None),
        (BOTH, 20, 25, False, "extra_calls_off", None, None),
        # P1: switch off and empty wallet together.
        (BOTH, 0, 25, False, "extra_calls_off", None, None),
        # In debt.
        (ALL, "-0.01", 25, False, "insufficient_balance", None, None),
        (ALL, "-1", 24, True, "included", [], 0),
    ],
)
def test_c08_the_gate(
    on: tuple[str, ...],
    credit: str | int,
    earlier: int,
    admitted: bool,
    reason: str,
    features: list[str] | None,
    hold_usd: int | None,
) -> None:
    story = opened(*on, credit=credit).calls(earlier).starts("c1")
    decision = only(story.answer("call-admitted", "call-redirected"))
    assert (decision["type"] == "call-admitted", decision["reason"]) == (admitted, reason)
    assert decision.get("features_enabled") == features
    assert decision.get("hold_micros") == (None if hold_usd is None else usd(hold_usd))


# C7: independent switches, off at first, inactive until the balance is above $0.
def test_c07_all_switches_are_off_at_first() -> None:
    assert opened(credit=20).snapshot()["features"] == dict.fromkeys(ALL, False)


@pytest.mark.parametrize("feature", ALL)
def test_c07_each_switch_is_independent(feature: str) -> None:
    story = opened(feature, credit=20)
    assert story.snapshot()["features"] == {**dict.fromkeys(ALL, False), feature: True}
    assert only(story.starts("c1").answer("call-admitted"))["features_enabled"] == [feature]


def test_c07_switched_on_before_any_credit_they_wait_for_the_balance() -> None:
    story = opened(*ALL).starts("broke").is_granted(5).starts("funded")
    assert [fact["features_enabled"] for fact in story.facts("call-admitted")] == [[], sorted(ALL)]
    # C11: what was inactive at admission is not billable, also when there is money by the time the call ends.
    assert only(story.ends("broke", used=BOTH).answer("call-charged"))["amount_micros"] == 0


# G9: the very next call, and only the next.
def test_g09_a_switch_takes_effect_on_the_very_next_call() -> None:
    story = opened(credit=20).starts("before").switches("live_agent").starts("during").switches("live_agent", on=False)
    story.starts("after")
    for call_id in ("before", "during", "after"):
        story.ends(call_id, used=["live_agent"])
    assert story.costs() == {"before": 0, "during": 3_000_000, "after": 0}


def test_g08_a_connected_call_finishes_whatever_happens_to_the_wallet() -> None:
    story = opened(*ALL, credit=7).starts("c1").is_granted(-7).switches(*ALL, on=False).ticks(hours=1)
    assert [fact["type"] for fact in story.facts() if fact.get("call_id")] == ["call-admitted"]
    assert only(story.ends("c1", used=BOTH).answer("call-charged"))["amount_micros"] == usd(6)
    assert story.balance() == usd(-6)


# C9, the worked example: $5, 30 extra calls together, only extra calls on.
def test_c09_calls_in_progress_together_are_held_against_the_balance() -> None:
    story = opened("extra_calls", credit=5).calls(25)
    for n in range(30):
        story.starts(f"c{n}")
    assert [fact["call_id"] for fact in story.facts("call-admitted")][25:] == ["c0", "c1"]
    assert [fact["reason"] for fact in story.facts("call-redirected")] == ["insufficient_balance"] * 28
    assert [fact["redirected_calls"] for fact in story.facts("funds-needed")] == [1]
    snapshot = story.snapshot()
    assert (snapshot["held_micros"], snapshot["available_micros"], snapshot["open_calls"]) == (usd(6), usd(-1), 2)
    story.ends("c0").ends("c1")
    assert (story.balance(), story.snapshot()["held_micros"]) == (usd(-1), 0)


def test_c09_admission_by_balance_is_the_literal_rule_without_holds() -> None:
    story = opened("extra_calls", credit=5, catalogue=plans(admission="balance")).calls(25)
    for n in range(30):
        story.starts(f"c{n}")
    assert len(story.facts("call-admitted")) == 25 + 30
    assert {fact["hold_micros"] for fact in story.facts("call-admitted")} == {0}
    for n in range(30):
        story.ends(f"c{n}")
    assert story.balance() == usd(-85)


@pytest.mark.parametrize("credit", ["0.01", "3", "5.99", "6", "12.01", "35"])
def test_c09_the_balance_stays_above_minus_the_cap_whatever_runs_together(credit: str) -> None:
    story = opened(*ALL, credit=credit).calls(3)
    for n in range(60):
        story.starts(f"c{n}")
    for n in range(60):
        story.ends(f"c{n}", used=BOTH)
    assert usd(-6) < story.balance() <= 0


# The hold is in force from the start of the call to its end, or 4 h (G5). Units: milliseconds after the start.
@pytest.mark.parametrize(("after_ms", "held_usd"), [(4 * 3_600_000 - 1, 6), (4 * 3_600_000, 0)])
def test_g05_a_start_alone_is_held_for_the_longest_call_then_stuck(after_ms: int, held_usd: int) -> None:
    story = opened(*ALL, credit=20).starts("c1").ticks(milliseconds=after_ms)
    assert story.snapshot()["held_micros"] == usd(held_usd)
    assert story.snapshot()["open_calls"] == (1 if held_usd else 0)
    assert [fact["call_id"] for fact in story.facts("call-stuck")] == ([] if held_usd else ["c1"])


@pytest.mark.parametrize("released", [False, True])
def test_g05_a_later_end_still_charges_by_the_settings_of_the_start(released: bool) -> None:
    story = opened(*BOTH, credit=20).starts("c1").switches(*BOTH, on=False)
    if released:
        story.ticks(hours=9)
    charge = only(story.ends("c1", seconds=8 * 3600, used=BOTH).answer("call-charged"))
    assert (charge["amount_micros"], charge["reported_ms"]) == (usd(6), 8 * 3_600_000)
    assert (story.balance(), story.snapshot()["held_micros"], story.snapshot()["open_calls"]) == (usd(14), 0, 0)


def test_g05_how_long_the_longest_call_is_is_plan_data() -> None:
    story = opened(*ALL, credit=20, catalogue=plans(longest_call_ms=60_000)).starts("c1").ticks(milliseconds=59_999)
    assert story.answer() == []
    assert only(story.ticks(milliseconds=1).answer())["type"] == "call-stuck"


# G5 and P6: an end without a start is charged as if admitted at that moment; the start that follows changes nothing.
@pytest.mark.parametrize(
    ("on", "credit", "charge_usd"), [(BOTH, 20, 6), (BOTH, 0, 0), (("live_agent",), "0.01", 3), ((), 20, 0)]
)
def test_p06_an_end_alone_is_charged_as_if_admitted_at_that_moment(
    on: tuple[str, ...], credit: str | int, charge_usd: int
) -> None:
    story = opened(*on, credit=credit).ends("c1", used=BOTH)
    assert only(story.answer("call-charged"))["amount_micros"] == usd(charge_usd)
    before = story.snapshot()
    assert story.switches(*ALL).starts("c1").answer() == []
    assert story.snapshot()["held_micros"] == before["held_micros"] == 0
    assert story.balance() == usd(credit) - usd(charge_usd)


# Nothing is redirected for an end alone: an empty wallet is charged for nothing, yet the call counts.
@pytest.mark.parametrize(
    ("on", "credit", "charge_usd", "kind"),
    [(ALL, 0, 0, "not_enabled"), (BOTH, 20, 0, "not_enabled"), (("extra_calls",), 20, 3, "extra_call")],
)
def test_p06_an_end_alone_beyond_the_included_calls(
    on: tuple[str, ...], credit: int, charge_usd: int, kind: str
) -> None:
    charge = only(opened(*on, credit=credit).calls(25).ends("c1").answer("call-charged"))
    assert (charge["ordinal"], charge["amount_micros"], charge["lines"][0]["kind"]) == (26, usd(charge_usd), kind)


def test_p06_available_not_the_balance_decides_what_is_active_on_an_end_alone() -> None:
    story = opened("live_agent", credit=3).starts("open").ends("alone", used=["live_agent"])
    assert only(story.answer("call-charged"))["amount_micros"] == 0


# P1: counted real calls of the period + admitted calls of the period still open + 1.
ORDINALS: dict[str, tuple[Callable[[Story], Story], str]] = {
    "25 counted": (lambda s: s.calls(25), "credits"),
    "24 counted": (lambda s: s.calls(24), "included"),
    "24 counted, one open": (lambda s: s.calls(24).starts("open"), "credits"),
    "the open one was not answered": (lambda s: s.calls(24).starts("open").ends("open", answered=False), "included"),
    "25 not real": (lambda s: s.calls(25, real=False), "included"),
    "one of 25 turned out not to be real": (lambda s: s.calls(25).reclassifies("early-07", real=False), "included"),
    "the open one is stuck": (lambda s: s.calls(24).starts("stuck").ticks(hours=4), "included"),
    "25 in the last period": (lambda s: s.calls(25).waits("2026-02-01T00:00:00Z"), "included"),
    "one open in the last": (lambda s: s.starts("open").waits("2026-02-01T00:00:00Z").calls(24), "included"),
    "25 redirected by their ends": (lambda s: s.calls(25, outcome="redirected"), "included"),
}


@pytest.mark.parametrize(("before", "reason"), ORDINALS.values(), ids=ORDINALS.keys())
def test_p01_the_gate_ordinal(before: Callable[[Story], Story], reason: str) -> None:
    story = before(opened("extra_calls", credit=50))
    assert only(story.starts("c1").answer("call-admitted"))["reason"] == reason


def test_p01_redirected_calls_are_not_open() -> None:
    story = opened(*BOTH, credit=50).calls(25)
    for n in range(3):
        story.starts(f"off{n}")
    snapshot = story.snapshot()
    assert (snapshot["open_calls"], snapshot["held_micros"]) == (0, 0)


# Where the call is sent is the account's setting of that moment.
def test_c08_a_redirect_names_where_the_call_goes() -> None:
    story = opened().calls(25).starts("c1")
    assert "redirect_to" not in only(story.answer("call-redirected"))
    story.says("redirect-set", redirect_to="+15550100").starts("c2")
    assert only(story.answer("call-redirected"))["redirect_to"] == "+15550100"


def test_c08_an_account_that_does_not_exist_redirects_its_calls() -> None:
    story = Story().starts("c1")
    assert only(story.answer())["reason"] == "unknown_account"
    assert story.ends("c1").refusal() == "unknown_account"
    # The redirect leaves no trace: once the account exists, the call is decided and charged like a new one.
    story.opens(at=SIGNUP).switches("live_agent").is_granted(20).starts("c1")
    assert only(story.answer("call-admitted"))["features_enabled"] == ["live_agent"]
    assert only(story.ends("c1", used=BOTH).answer("call-charged"))["amount_micros"] == usd(3)


# Rule P20: settings used for a call are those when its start arrives, however late that is.
def test_p20_the_settings_of_a_call_are_those_when_its_start_arrives() -> None:
    story = opened(credit=20).waits(days=2).switches("live_agent").starts("c1", at=SIGNUP)
    assert only(story.answer("call-admitted"))["features_enabled"] == ["live_agent"]
