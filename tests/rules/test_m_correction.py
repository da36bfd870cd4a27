"""P3, G5 and G6 on minutes plans: what a correction gives back or takes, and what it leaves alone.

Money in dollars, a minute is $0.11 ($0.08 web), calls in minutes; 100 minutes are included.
"""

from typing import Any

import pytest

from tests.rules.story import SIGNUP, kinds_and_amounts, later, only, usd
from tests.rules.subscriber import FEBRUARY, MINUTE_MS, Subscriber, dollars, paying, rated, subscriber


def used_up(credit: str | int = 0) -> Subscriber:
    return paying(credit).uses(100, "pool")


def paid(fact: dict[str, Any]) -> tuple[int, int, int]:
    """(amount, wallet, card) of a charge or an adjustment, micros."""
    return fact["amount_micros"], fact["wallet_micros"], fact["card_micros"]


def micros(*amounts: str) -> tuple[int, ...]:
    return tuple(map(usd, amounts))


# P3: a call corrected to not real gives its money back to where it came from: card due not yet requested first, then
# the wallet. 10 minutes, $1.10; wallet before -> what came from the wallet and from the card.
@pytest.mark.parametrize(
    ("credit", "wallet", "card"), [("0", "0", "1.10"), ("0.50", "0.50", "0.60"), ("5", "1.10", "0")]
)
def test_p03_g06_money_goes_back_to_where_it_came_from(credit: str, wallet: str, card: str) -> None:
    story = used_up(credit).uses(10, "c1")
    charged = story.charge()
    assert paid(charged) == micros("1.10", wallet, card)
    adjusted = story.reclassifies("c1", real=False).charge()
    assert adjusted["type"] == "charge-adjusted"
    assert paid(adjusted) == (-usd("1.10"), -usd(wallet), -usd(card))
    assert (adjusted["adjusts"], adjusted["receipt"]["amount_micros"]) == (charged["id"], 0)
    assert adjusted["reason"]
    assert rated(adjusted) == {"minutes": (-10, -usd("1.10"))}
    assert (adjusted["minutes_before"], adjusted["minutes_after"]) == (100, 100)
    assert (story.balance(), story.card_due(), story.usage()["minutes_used"]) == (usd(credit), 0, 100)
    moved = [(e["kind"], e["amount_micros"]) for e in story.answer("ledger-entry-posted")]
    assert moved == ([("adjustment", usd(wallet))] if usd(wallet) else [])


# P3: what the card was asked for already goes back to the wallet, whatever became of the request.
@pytest.mark.parametrize(("became", "due"), [("open", "0"), ("paid", "0"), ("declined", "0")])
def test_p03_p14_what_was_requested_already_goes_to_the_wallet(became: str, due: str) -> None:
    story = used_up().uses(91, "c1")
    if became == "paid":
        story.settles("overage")
    elif became == "declined":
        story.refuses("overage")
    adjusted = story.reclassifies("c1", real=False).charge()
    if became == "declined":
        # It is due again, so that it is not yet requested: the card owes it no more.
        assert paid(adjusted) == (-usd("10.01"), 0, -usd("10.01"))
    else:
        assert paid(adjusted) == (-usd("10.01"), -usd("10.01"), 0)
    assert story.card_due() == usd(due)


# The card is given back what this call put on it, not what another one did.
def test_p03_only_as_far_as_this_call_was_put_on_the_card() -> None:
    story = used_up("1.10").uses(10, "wallet").uses(10, "card")
    assert paid(story.reclassifies("wallet", real=False).charge()) == (-usd("1.10"), -usd("1.10"), 0)
    assert (story.balance(), story.card_due()) == (usd("1.10"), usd("1.10"))


# Of $11.00 that the card was asked for, $8.80 were c1's; $0.55 of c3 are due. Whichever of the two is given back first,
# the card never owes less than nothing and nothing is lost.
def test_p03_p14_the_card_never_owes_less_than_nothing() -> None:
    story = used_up().uses(80, "c1").uses(20, "c2").uses(5, "c3")
    assert story.card_due() == usd("0.55")
    adjusted = story.reclassifies("c1", real=False).charge()
    assert adjusted["amount_micros"] == adjusted["wallet_micros"] + adjusted["card_micros"] == -usd("8.80")
    assert story.card_due() == usd("0.55") + adjusted["card_micros"] >= 0
    assert story.balance() == -adjusted["wallet_micros"]


# P3: minutes go back to the pool; other calls are not re-rated.
def test_p03_minutes_go_back_to_the_pool_and_other_calls_are_not_re_rated() -> None:
    story = subscriber().uses(60, "a").uses(60, "b").uses(1, "c")
    assert story.costs() == {"a": 0, "b": usd("2.20"), "c": usd("0.11")}
    # a cost nothing, so the difference is $0; that its 60 minutes are there again is said (decision 0003).
    adjusted = story.reclassifies("a", real=False).charge()
    assert (adjusted["amount_micros"], adjusted["minutes_before"], adjusted["minutes_after"]) == (0, 0, 0)
    assert kinds_and_amounts(adjusted["lines"]) == [("included", 0)]
    assert [line["quantity"] for line in adjusted["lines"]] == [-60]
    assert story.answer("ledger-entry-posted") == []
    assert (story.usage()["minutes_used"], story.usage()["minutes_remaining"]) == (61, 39)
    charge = story.uses(40, "d").charge()
    assert (charge["minutes_before"], rated(charge)) == (61, {"included": (39, 0), "minutes": (1, usd("0.11"))})
    assert story.costs() == {"a": 0, "b": usd("2.20"), "c": usd("0.11"), "d": usd("0.11")}


# P3: back to real: rated anew at what the period has used when that word arrives (decision 0017).
def test_p03_back_to_real_is_rated_at_what_is_used_by_then() -> None:
    story = subscriber().uses(60, "a").uses(30, "b").reclassifies("a", real=False).uses(50, "c")
    assert story.usage()["minutes_used"] == 80
    adjusted = story.reclassifies("a", real=True).charge()
    # 20 minutes of the pool are left for its 60.
    assert (adjusted["amount_micros"], adjusted["minutes_before"], adjusted["minutes_after"]) == (usd("4.40"), 80, 140)
    assert {line["kind"]: line["quantity"] for line in adjusted["receipt"]["lines"] if line["quantity"]} == {
        "included": 20,
        "minutes": 40,
    }
    assert story.costs() == {"a": usd("4.40"), "b": 0, "c": 0}
    assert story.usage()["minutes_used"] == 140


def test_p03_to_and_fro_with_nothing_between_is_as_before() -> None:
    story = used_up("0.50").uses(10, "c1").reclassifies("c1", real=False).reclassifies("c1", real=True)
    assert paid(story.charge()) == micros("1.10", "0.50", "0.60")
    assert (story.balance(), story.card_due(), story.usage()["minutes_used"]) == (0, usd("0.60"), 110)


# G6 and P3: a contradicting end is rated again at the same `minutes_before`, whatever was used since.
# 99 minutes used, c1 of 3 minutes ($0.22), then 10 more; the second end of c1 -> its cost, its minutes
@pytest.mark.parametrize(
    ("second", "cost", "minutes"),
    [
        ({"seconds": 181}, "0.33", 4),
        ({"seconds": 180}, "0.22", 3),
        ({"seconds": 61}, "0.11", 2),
        ({"seconds": 60}, "0", 1),
        ({"seconds": 0}, "0", 0),
        ({"answered": False}, "0", 0),
        ({"seconds": 180, "real": False}, "0", 0),
        ({"seconds": 180, "outcome": "redirected"}, "0", 0),
        ({"seconds": 180, "direction": "web"}, "0.16", 3),
        ({"seconds": 600, "direction": "web"}, "0.72", 10),
    ],
    ids=repr,
)
def test_g06_p03_a_contradicting_end_is_rated_at_the_same_minutes_before(
    second: dict[str, Any], cost: str, minutes: int
) -> None:
    story = subscriber(5).uses(99).talks("c1", 150_000).uses(10, "later")
    story.ends("c1", **second)
    difference = usd(cost) - usd("0.22")
    adjusted = story.answer("call-charged", "charge-adjusted")
    # What does not move the amount is no fact (decision 0003).
    assert [f["amount_micros"] for f in adjusted] == ([difference] if difference else [])
    for fact in adjusted:
        assert (fact["type"], fact["minutes_before"], fact["minutes_after"]) == ("charge-adjusted", 99, 99 + minutes)
        assert sum(line["amount_micros"] for line in fact["lines"]) == difference
        assert fact["receipt"]["amount_micros"] == usd(cost)
    assert story.costs()["c1"] == usd(cost)
    assert story.costs()["later"] == usd("1.10")
    assert story.usage()["minutes_used"] == 99 + minutes + 10
    assert story.balance() == usd(5) - usd("1.10") - usd(cost)


# Also when the end before it did not count (decision 0017): 99 used, c1 not answered, 1 more minute, c1 answered.
def test_p03_g06_the_same_minutes_before_also_when_the_end_before_it_did_not_count() -> None:
    story = subscriber().uses(99).starts("c1").ends("c1", answered=False).uses(1, "other").ends("c1", seconds=120)
    adjusted = story.charge()
    assert (adjusted["minutes_before"], adjusted["minutes_after"]) == (99, 101)
    assert rated(adjusted) == {"included": (1, 0), "minutes": (1, usd("0.11"))}
    assert story.usage()["minutes_used"] == 102


# Money of a shorter or longer end: the card as far as the call is on it, then the wallet; more is paid wallet first.
# $0.50 in the wallet; c1 of 10 minutes: 0.50 + 0.60.
@pytest.mark.parametrize(
    ("minutes", "wallet", "card"), [(9, "0", "-0.11"), (4, "-0.06", "-0.60"), (0, "-0.50", "-0.60"), (12, "0", "0.22")]
)
def test_g06_m05_what_a_contradicting_end_moves(minutes: int, wallet: str, card: str) -> None:
    story = used_up("0.50").uses(10, "c1").ends_after("c1", minutes * MINUTE_MS)
    assert paid(story.charge())[1:] == micros(wallet, card)
    assert (story.balance(), story.card_due()) == (-usd(wallet), usd("0.60") + usd(card))


def test_g06_m05_a_longer_end_is_paid_by_what_the_wallet_has_by_then() -> None:
    story = used_up("0.50").uses(10, "c1").is_granted("0.15").ends_after("c1", 12 * MINUTE_MS)
    assert paid(story.charge()) == micros("0.22", "0.15", "0.07")


def test_g06_p14_a_longer_end_may_reach_the_threshold() -> None:
    story = used_up().uses(90, "c1").ends_after("c1", 91 * MINUTE_MS)
    assert story.answer_types() == ["charge-adjusted", "payment-requested"]
    assert story.asks() == dollars(("overage", "10.01"))


# P5: of two contradicting ends the later arrival stands; a reclassification beats the end's `real`.
def test_p05_p03_the_later_arrival_stands_and_a_reclassification_beats_it() -> None:
    story = used_up().uses(10, "c1").ends_after("c1", 5 * MINUTE_MS).ends_after("c1", 10 * MINUTE_MS, id="again")
    assert story.costs()["c1"] == usd("1.10")
    story.reclassifies("c1", real=False).ends_after("c1", 20 * MINUTE_MS, real=True)
    assert (story.costs()["c1"], story.usage()["minutes_used"]) == (0, 100)
    assert story.answer("charge-adjusted") == []
    # Real after all: the newest end, at what is used by then.
    adjusted = story.uses(1).reclassifies("c1", real=True).charge()
    assert (adjusted["amount_micros"], adjusted["minutes_before"], adjusted["minutes_after"]) == (usd("2.20"), 101, 121)


def test_p05_p04_a_reclassification_that_comes_before_the_end() -> None:
    story = used_up().starts("c1").reclassifies("c1", real=False).ends("c1", seconds=600)
    assert (story.charge()["type"], story.charge()["amount_micros"]) == ("call-charged", 0)
    assert story.reclassifies("c1", real=True).charge()["amount_micros"] == usd("1.10")


def test_p03_p07_a_reclassification_that_says_nothing_new_moves_nothing() -> None:
    story = used_up().uses(10, "c1").reclassifies("c1", real=True)
    assert story.answer() == []
    assert story.ends_after("c1", 10 * MINUTE_MS).answer() == []
    assert story.usage()["minutes_used"] == 110


# G5: end first = charged with today's settings, the late start changes nothing; end alone = charged.
def test_g05_p06_an_end_first_then_its_late_start() -> None:
    story = used_up("5").ends("c1", seconds=600)
    assert (story.charge()["amount_micros"], story.charge()["wallet_micros"]) == (usd("1.10"), usd("1.10"))
    assert story.starts("c1", at=later(story.now, seconds=-1)).answer() == []
    assert (story.snapshot()["open_calls"], story.costs()["c1"]) == (0, usd("1.10"))


def test_g05_g09_an_end_alone_takes_todays_plan() -> None:
    story = paying().uses(100).changes_plan("dental").ends("c1", seconds=60)
    assert (story.charge()["plan"], story.charge()["amount_micros"]) == ("dental", 0)


# G5: a start alone: stuck after the longest call, and a later end still charges.
def test_g05_a_stuck_call_still_charges_when_it_ends() -> None:
    story = used_up().starts("c1").ticks(later(SIGNUP, minutes=100, hours=4, milliseconds=-1))
    assert story.answer("call-stuck") == []
    stuck = only(story.ticks(milliseconds=1).answer())
    assert (stuck["type"], stuck["call_id"], stuck["hold_micros"]) == ("call-stuck", "c1", 0)
    assert story.snapshot()["open_calls"] == 0
    charge = story.ends_after("c1", 4 * 60 * MINUTE_MS).charge()
    assert charge["amount_micros"] == 240 * usd("0.11")


# G5: a late end, after its period closed, is charged to its own period's pool.
def test_g05_g03_a_late_end_uses_the_pool_of_its_own_period() -> None:
    story = paying().uses(95, "jan").waits("2026-01-31T23:59:59.999Z").starts("late").ticks(FEBRUARY).settles_all()
    story.uses(90, "feb").ends_after("late", 10 * MINUTE_MS)
    charge = story.charge()
    assert (charge["period_start"], charge["minutes_before"], charge["minutes_after"]) == (
        "2026-01-01T00:00:00Z",
        95,
        105,
    )
    assert charge["amount_micros"] == usd("0.55")
    assert (story.usage()["minutes_used"], story.usage()["calls_counted"]) == (90, 1)
    assert story.usage()["cost_by_call_type_micros"] == {"inbound": 0, "outbound": 0, "web": 0}


# 0017: a contradicting end that moves the call into another period is rated at what that one has used.
def test_g06_p03_a_contradicting_end_moves_a_call_to_another_period() -> None:
    story = subscriber().uses(99, "jan").uses(2, "c1").waits(FEBRUARY).uses(100, "feb")
    story.ends("c1", started=FEBRUARY, at=later(FEBRUARY, minutes=2))
    adjusted = story.charge()
    # It cost one minute; both of its minutes are beyond February's pool.
    assert (adjusted["amount_micros"], adjusted["period_start"]) == (usd("0.11"), FEBRUARY)
    assert (adjusted["minutes_before"], adjusted["minutes_after"]) == (100, 102)
    # January has its minutes back.
    charge = story.ends("old", started="2026-01-05T00:00:00Z", at="2026-01-05T00:02:00Z").charge()
    assert (charge["minutes_before"], charge["amount_micros"]) == (99, usd("0.11"))
    assert story.usage()["minutes_used"] == 102
