"""The explanation of a call on a minutes plan: its rated time, the included part, and who paid the rest.

`professional` includes 100 minutes, then $0.11 a minute inbound and outbound, $0.08 web. Rules G11 and M2 to M5.
"""

from typing import Any, Self

import msgspec
import pytest

from backoffice.explain.command import explain
from schemas.plan import Catalogue, MinutesPlan
from tests.rules.story import SHIPPED, Story

MINUTE_S = 60


class Subscriber(Story):
    """One account on `professional`, described by its talk time."""

    def talks(self, call_id: str, *, seconds: int, **fields: Any) -> Self:
        """A call that starts now; time then continues from its end."""
        direction = {name: fields[name] for name in ("direction",) if name in fields}
        return self.starts(call_id, **direction).ends(call_id, seconds=seconds, **fields).waits(seconds=seconds)

    def explained(self, call_id: str) -> str:
        text = explain(self.facts(), call_id)
        assert "DIFFERS" not in text, text
        assert "NOT" not in text, text
        return text

    def sentence(self, call_id: str) -> str:
        return self.explained(call_id).splitlines()[0].removeprefix(f"Call {call_id} of account acme ")


def subscribed(wallet: str = "0", used_minutes: int = 0, **changes: Any) -> Subscriber:
    """An account with `wallet` dollars granted, `used_minutes` used, and `changes` to the shipped plan."""
    story = Subscriber(catalogue=professional(**changes)).opens("professional")
    if wallet != "0":
        story.is_granted(wallet)
    return story.talks("before", seconds=used_minutes * MINUTE_S) if used_minutes else story


def professional(**changes: Any) -> Catalogue:
    plan = SHIPPED.plans["professional"]
    assert isinstance(plan, MinutesPlan)
    plans = {**SHIPPED.plans, "professional": msgspec.structs.replace(plan, **changes)}
    return msgspec.structs.replace(SHIPPED, plans=plans)


# The worked example: 99 minutes used, 150 s inbound, $0.10 in the wallet.
def test_g11_m05_a_call_across_the_end_of_the_pool_in_full() -> None:
    assert subscribed("0.10", 99).talks("c1", seconds=150).explained("c1").splitlines() == [
        (
            "Call c1 of account acme cost $0.22: it took 2 min 30 s, counted as 3 minutes, of which 1 minute within the"
            " 100 included in the period from 1 Jan 2026 and 2 minutes beyond them, at $0.11 a minute; the wallet paid"
            " $0.10, and $0.12 went on the card."
        ),
        "",
        "Call          inbound, completed, plan professional (version 1 of the catalogue)",
        (
            "              started 1 Jan 2026 01:39:00 UTC, answered 1 Jan 2026 01:39:00 UTC,"
            " ended 1 Jan 2026 01:41:30 UTC: 2 min 30 s billable"
        ),
        "Gate          admitted at 1 Jan 2026 01:39:00 UTC: the subscription was active (subscription)",
        "              features cost nothing extra on this plan; $0.00 held",
        "Charge        at 1 Jan 2026 01:41:30 UTC, acme/c1/charged",
        "              2 min 30 s billable, rounded up in increments of 60/60 s: 3 minutes",
        "              allowance of 100 minutes: 99 minutes used before it, 1 minute left, 102 minutes used after it",
        "              so 1 minute included, 2 minutes beyond the allowance, inbound at $0.11 a minute",
        "              included          1 minute x $0.00        $0.00",
        "              minutes          2 minutes x $0.11        $0.22",
        "              charged                                   $0.22",
        "              2 minutes x $0.11 a minute = $0.22; rounded once to $0.01, halves up: nothing to round",
        "Paid          $0.10 from the wallet, $0.12 on the card",
        "              balance $0.10 before, $0.00 after",
        (
            "              the card is charged for all overage together: when it reaches the plan's threshold,"
            " and at the end of a period"
        ),
        "Adjustments   none",
        "Ledger        acme/ledger/2: charge -$0.10, balance $0.00 after",
        "Inputs        i5, i6",
        (
            "Check         120,000 ms x 110,000 micros a minute / 60,000 ms = 220,000 micros,"
            " rounded to whole 10,000: 220,000"
        ),
        "              recomputed: $0.22, the same",
        "              the ledger moved by what the wallet paid and got back",
    ]


INCLUDED = "included in the period from 1 Jan 2026"


# M2 to M5, G7 and P4: minutes used before, wallet in dollars, the call -> its sentence.
@pytest.mark.parametrize(
    ("used", "wallet", "call", "expected"),
    [
        (0, "0", {"seconds": 180}, f"cost nothing: it took 3 minutes, within the 100 {INCLUDED}."),
        (0, "0", {"seconds": 1}, f"cost nothing: it took 0 min 1 s, counted as 1 minute, within the 100 {INCLUDED}."),
        (
            100,
            "5",
            {"seconds": 61, "direction": "web"},
            (
                f"cost $0.16: it took 1 min 1 s, counted as 2 minutes, beyond the 100 {INCLUDED}, at $0.08 a minute;"
                " the wallet paid all of it."
            ),
        ),
        (
            100,
            "-3",
            {"seconds": 600},
            (
                f"cost $1.10: it took 10 minutes, beyond the 100 {INCLUDED}, at $0.11 a minute;"
                " all of it went on the card."
            ),
        ),
        (100, "0", {"seconds": 60, "answered": False}, "cost nothing: nobody answered it."),
        (100, "0", {"seconds": 60, "real": False}, "cost nothing: it was marked as not real."),
        (100, "0", {"seconds": 60, "outcome": "redirected"}, "cost nothing: it was redirected."),
        (
            100,
            "0",
            {"seconds": 0},
            "cost nothing: it ended the moment it was answered, and zero seconds cost nothing.",
        ),
        (
            100,
            "5",
            {"seconds": 60, "used": ["live_agent"]},
            f"cost $0.11: it took 1 minute, beyond the 100 {INCLUDED}, at $0.11 a minute; the wallet paid all of it.",
        ),
    ],
)
def test_g11_m04_one_sentence(used: int, wallet: str, call: dict[str, Any], expected: str) -> None:
    assert subscribed(wallet, used).talks("c1", **call).sentence("c1") == expected


# M4 and G1: the exact product and its single rounding are shown.
def test_g01_m04_parts_of_a_minute_and_of_a_micro_are_shown() -> None:
    story = subscribed("5", 99, increment_next_s=1).talks("c1", seconds=151)
    assert "counted" not in story.sentence("c1")
    assert "of which 1 minute within the 100" in story.sentence("c1")
    text = story.explained("c1")
    assert "2 min 31 s billable, rounded up in increments of 60/1 s: 2 min 31 s" in text
    assert "minutes         1 min 31 s x $0.11        $0.17" in text
    assert (
        "1 min 31 s x $0.11 a minute = $0.166833 and 1/3 of a micro; rounded once to $0.01, halves up: -> $0.17" in text
    )
    assert "91,000 ms x 110,000 micros a minute / 60,000 ms = 166,833 1/3 micros, rounded to whole 10,000: 170" in text


def test_m04_a_cost_that_rounds_to_nothing() -> None:
    story = subscribed(included_minutes=0, increment_first_s=1, increment_next_s=1).talks("c1", seconds=2)
    assert story.sentence("c1") == (
        "cost nothing: it took 0 min 2 s, with none included in the plan, at $0.11 a minute, which rounds to nothing."
    )


# P3: minutes and money are given back, the money to wallet or card, whichever paid it.
def test_p03_a_call_marked_as_not_real_gives_minutes_and_money_back() -> None:
    story = subscribed("0.10", 99).talks("c1", seconds=150).reclassifies("c1", real=False)
    assert story.sentence("c1") == (
        "costs nothing now: it was first charged $0.22, then 1 adjustment took off $0.22, because it was marked as not"
        " real, and its 3 minutes no longer count; the wallet got back $0.10 and the card no longer owes $0.12."
    )
    lines = story.explained("c1").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("Adjustments"))
    assert lines[start : start + 10] == [
        "Adjustments   -$0.22 at 1 Jan 2026 01:41:30 UTC: the call was marked as not real (reclassified, input i7)",
        "                3 minutes given back",
        "                the call does not count: 99 minutes used before and after it, of 100 minutes included",
        "                included         -1 minute x $0.00        $0.00",
        "                minutes         -2 minutes x $0.11       -$0.22",
        "                costs now                                 $0.00",
        "                nothing to pay, nothing to round",
        "                $0.10 back to the wallet, $0.12 less on the card, not requested yet",
        "                balance $0.00 before, $0.10 after",
        "Ledger        acme/ledger/2: charge -$0.10, balance $0.00 after",
    ]


def test_p03_overage_already_requested_from_the_card_comes_back_to_the_wallet() -> None:
    story = subscribed(used_minutes=100).adds_card().talks("c1", seconds=100 * MINUTE_S)
    assert story.facts("payment-requested")[-1]["purpose"] == "overage"
    assert (
        story.reclassifies("c1", real=False)
        .sentence("c1")
        .endswith(
            "its 100 minutes no longer count; $11.00 went on the card, and $11.00 of that came back to the wallet."
        )
    )


# P3 and G6: the call is rated again with the same minutes used before it; other calls are not rated again.
def test_p03_a_contradicting_end_shows_what_changed() -> None:
    story = subscribed("0.30", 99).talks("c1", seconds=150).talks("c2", seconds=60).ends("c1", seconds=50)
    assert story.sentence("c1") == (
        "costs nothing now: it was first charged $0.22, then 1 adjustment took off $0.22, because it took 0 min 50 s,"
        f" counted as 1 minute, within the 100 {INCLUDED}; the wallet got back $0.22."
    )
    text = story.ends("c1", seconds=200).explained("c1")
    assert text.startswith(
        "Call c1 of account acme costs $0.33 now: it was first charged $0.22, then 2 adjustments added $0.11, because"
    )
    assert "a later report of the call's end had other content (contradicting_end, input i10)" in text
    assert "3 minutes more" in text
    assert "allowance of 100 minutes: 99 minutes used before it, 1 minute left, 103 minutes used after it" in text
    assert "; the wallet paid $0.22, and $0.11 went on the card." in text
    assert "and its 4 minutes no longer count; " in story.reclassifies("c1", real=False).sentence("c1")
    assert story.sentence("c2").endswith("at $0.11 a minute; the wallet paid $0.08, and $0.03 went on the card.")


# M8: after the end of the subscription, calls are redirected and cost nothing, whatever their end reports.
def test_m08_a_call_after_the_end_of_the_subscription() -> None:
    story = subscribed().says("redirect-set", redirect_to="+15550199").says("subscription-cancel-requested")
    story.waits("2026-02-01T00:00:00Z").starts("open").talks("c1", seconds=60)
    assert story.sentence("open") == (
        "cost nothing: it was redirected to +15550199, because the subscription had ended."
    )
    assert story.sentence("c1") == "cost nothing: the gate redirected it, since the subscription had ended."
    text = story.explained("c1")
    assert "redirected to +15550199 at 1 Feb 2026 00:00:00 UTC: the subscription had ended (subscription_ended)" in text
    assert "the call does not count: 0 minutes used before and after it, of 0 minutes included" in text


def test_g05_an_end_without_a_start_and_a_start_without_an_end() -> None:
    story = subscribed("1", 100).ends("c1", seconds=60).starts("open")
    assert story.sentence("c1").startswith("cost $0.11: it took 1 minute, beyond the 100 included")
    assert "no start had been reported when its end was" in story.explained("c1")
    assert story.sentence("open") == "has cost nothing so far: it was admitted and has not ended."


# Adjustments alone, as when retention has deleted the start of a topic.
def test_an_adjustment_without_its_charge_does_not_show_who_paid() -> None:
    story = subscribed("1", 100).talks("c1", seconds=120).ends("c1", seconds=60)
    text = explain(story.facts("charge-adjusted"), "c1")
    assert text.splitlines()[0].endswith("beyond the 100 included in the period from 1 Jan 2026, at $0.11 a minute.")
    assert "given back" not in text
    assert "DIFFERS: the charge acme/c1/charged is missing; the file has only its adjustments" in text


# Rules L1 and G7: the legs of a call, and time that the longest call cuts off.
def test_g11_l01_a_call_by_legs_and_longer_than_the_longest_call() -> None:
    story = subscribed("100").ends("c1", leg_id="a", seconds=3 * 3600)
    story.ends("c1", leg_id="b", seconds=5 * 3600, outcome="completed")
    text = story.explained("c1")
    assert "240 min 0 s of 300 min 0 s, the longest call billable" in text
    assert "leg a: inbound, completed, started 1 Jan 2026" in text
    assert "another leg of the call ended (leg, input" in text
