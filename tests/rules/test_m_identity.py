"""G4, G10, P7 and P17 on minutes plans: what is taken once, what is a repeat, what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from backoffice.replay import replay_lines, snapshot_lines
from tests.agents.partition import Partition, facts_of
from tests.rules.story import SIGNUP, Story, later, only, usd
from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, paying, subscriber

HORIZON_MS = 35 * 86_400_000


def eventful() -> Subscriber:
    """Every input that a minutes plan can be told, and most of what it can answer."""
    story = subscriber("0.10", billing_email="a@example.com", time_zone="America/New_York").is_taxed(82_500)
    story.adds_number().adds_card().declines().adds_card("pm2").defaults_card("pm2").ticks(days=1).settles_all()
    story.uses(99).talks("c1", 150_000).uses(91, "c2", direction="web").uses(30, "c3", direction="outbound")
    story.settles_all().reclassifies("c1", real=False).ends_after("c2", 60_000).buys("p1", 20).settles_all()
    story.waits(days=9).ticks().changes_plan("dental").settles_all().refills(5).uses(400, "c4").settles_all()
    story.says("credits-refund-requested", purchase_id="p1").starts("c5").ticks("2026-02-10T00:00:00Z").settles_all()
    story.changes_plan("professional").removes_number().adds_number("+15550101", 3).ends("c5", answered=False)
    story.ticks("2026-03-10T00:00:00Z").cancels().cancels().resumes().cancels().says("redirect-set", redirect_to="+1")
    story.says("billing-email-set", billing_email="b@example.com").removes_card("pm1").settles_all()
    story.ticks("2026-04-10T00:00:00Z").starts("c6").ends("c6").changes_plan("real_estate").refuses("subscription")
    return story.ticks("2026-05-20T00:00:00Z").settles_all()


# The same log gives the same bytes, and each fact an id of its own.
def test_g10_m11_the_same_log_gives_the_same_bytes() -> None:
    story = eventful()
    assert story.facts("dead-letter") == []
    facts = story.facts()
    assert json.dumps(facts) == json.dumps(story.facts())
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert {fact["caused_by"] for fact in facts} <= {event["id"] for event in story.inputs}
    assert all("currency" in fact for fact in facts if any(name.endswith("_micros") for name in fact))
    assert {fact["type"] for fact in facts} >= {
        "call-redirected",
        "charge-adjusted",
        "invoice-paid",
        "receipt-issued",
        "subscription-payment-declined",
    }


def test_m05_m10_the_ledger_and_the_charges_add_up() -> None:
    story = eventful()
    charged = story.facts("call-charged", "charge-adjusted")
    for fact in charged:
        assert fact["wallet_micros"] + fact["card_micros"] == fact["amount_micros"]
    entries = story.facts("ledger-entry-posted")
    running = 0
    for entry in entries:
        running += entry["amount_micros"]
        assert entry["balance_after_micros"] == running
    assert running == story.balance()
    drawn = sum(e["amount_micros"] for e in entries if e["kind"] in {"charge", "adjustment"})
    assert drawn == -sum(fact["wallet_micros"] for fact in charged)


# P7: whatever comes twice is a repeat, at once or after everything else.
@pytest.mark.parametrize("times", [2, 3])
def test_p07_g04_any_input_again_is_a_repeat(times: int) -> None:
    lines = eventful().lines()
    repeated = [line for line in lines for _ in range(times)]
    assert list(replay_lines(repeated)) == list(replay_lines(lines))
    assert snapshot_lines(repeated) == snapshot_lines(lines)


# What a worker restored from its rows says is what one says that never stopped.
@pytest.mark.parametrize("batch", [1, 7])
def test_g04_m11_a_restart_at_any_point_changes_nothing(batch: int) -> None:
    inputs = eventful().inputs
    partition, facts = Partition(), []
    for at in range(0, len(inputs), batch):
        facts += facts_of(partition.take(*inputs[at : at + batch]))
        partition = partition.restarted()
    assert facts == list(replay_lines(eventful().lines()))


# G4: one charge for each call, whatever comes when.
def test_g04_m04_a_call_is_charged_once() -> None:
    story = paying().uses(100).starts("c1").starts("c1").ends("c1").ends("c1").starts("c1")
    assert story.facts("call-charged")[1:] == [only([f for f in story.facts("call-charged") if f["call_id"] == "c1"])]
    assert (story.costs()["c1"], story.usage()["minutes_used"]) == (usd("0.11"), 101)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)], ids=repr)
def test_g05_m04_every_order_of_start_end_and_correction_is_one_call(order: tuple[int, ...]) -> None:
    story = paying(5).uses(100)
    said: list[Callable[[], Any]] = [
        lambda: story.starts("c1"),
        lambda: story.ends("c1", seconds=600),
        lambda: story.reclassifies("c1", real=False),
    ]
    for n in order:
        said[n]()
    assert len(story.facts("call-charged")) == 2
    assert (story.costs()["c1"], story.balance(), story.usage()["minutes_used"]) == (0, usd(5), 100)
    assert story.snapshot()["open_calls"] == 0


# P17: too late is a call that ended more than 35 x 24 h before the clock, a start that is older than that.
@pytest.mark.parametrize(
    ("age_ms", "refusal"), [(HORIZON_MS - 1, None), (HORIZON_MS, None), (HORIZON_MS + 1, "too_late")]
)
@pytest.mark.parametrize("what", ["an end", "a start", "a contradicting end", "a reclassification"])
def test_p17_g04_m04_too_late(what: str, age_ms: int, refusal: str | None) -> None:
    story = paying(20).uses(100)
    ended_at = story.now
    if what in {"a contradicting end", "a reclassification"}:
        story.ends("c1", started=ended_at, at=ended_at)
    story.ticks(later(ended_at, milliseconds=age_ms))
    if what == "a start":
        story.starts("c1", at=ended_at)
    elif what == "a reclassification":
        story.says("call-reclassified", call_id="c1", real=False)
    else:
        story.ends("c1", started=later(ended_at, seconds=-1), at=ended_at)
    assert story.refusal() == refusal


@pytest.mark.parametrize("days", [34, 35, 36, 80])
def test_g04_m11_a_repeat_long_after_is_never_a_second_charge(days: int) -> None:
    story = paying(20).uses(100).talks("c1", 60_000, id="end")
    again = story.inputs[-1]
    story.ticks(days=days).settles_all()
    story.inputs.append(again)
    assert story.answer("call-charged", "charge-adjusted") == []
    assert story.balance() == usd("19.89")


# P7: each input of a minutes plan, said again under its own id with other content.
REPEATED: dict[str, Callable[[Subscriber], Any]] = {
    "a change of plan": lambda s: s.changes_plan("dental", id="same"),
    "a cancellation": lambda s: s.cancels(id="same"),
    "a resumption": lambda s: s.resumes(id="same"),
    "a number": lambda s: s.adds_number(id="same"),
    "a tax rate": lambda s: s.is_taxed(500_000, id="same"),
}


@pytest.mark.parametrize("says", REPEATED.values(), ids=REPEATED.keys())
def test_p07_m08_an_id_takes_effect_once_whatever_it_says(says: Callable[[Subscriber], Any]) -> None:
    story = paying().adds_card("pm2").says("redirect-set", redirect_to="+1", id="same")
    before = story.snapshot()
    says(story)
    assert story.answer() == []
    assert story.snapshot() == before
    assert story.ticks(FEBRUARY).asks() == [("subscription", usd(49))]


# P7: recognised repeats are counted, and are no facts.
REPEATS: dict[str, Callable[[], Story]] = {
    "a second cancellation": lambda: paying().cancels().cancels(reason="moved away"),
    "a resumption of what was not cancelled": lambda: paying().resumes(),
    "the plan in force": lambda: paying().changes_plan("professional"),
    "the credits plan in force": lambda: Subscriber().opens().changes_plan("free"),
    "a number removed twice": lambda: paying().adds_number().removes_number().removes_number(),
    "a fee answered twice": lambda: paying().pays(),
    "a fee contradicted twice": lambda: paying().declines().declines(),
    "a number that is not there": lambda: paying().removes_number(),
    "a number with the same fee": lambda: paying().adds_number().adds_number(),
    "overage answered twice": lambda: paying().uses(191).settles("overage").settles("overage"),
    "an invoice answered twice": lambda: paying().adds_number().ticks(FEBRUARY).settles("invoice").settles("invoice"),
    "a purchase": lambda: paying().buys("p1", 5).buys("p1", 6),
    "the same end": lambda: paying().talks("c1", 60_000).ends_after("c1", 60_000),
    "the same start": lambda: paying().starts("c1").starts("c1"),
}


@pytest.mark.parametrize("told", REPEATS.values(), ids=REPEATS.keys())
def test_p07_m08_what_is_a_repeat(told: Callable[[], Story]) -> None:
    story, partition = told(), Partition()
    partition.take(*story.inputs[:-1])
    assert partition.take(story.inputs[-1]).tally == {("inputs", "repeat"): 1}


# A refused input leaves no trace: the same id may be used again.
def test_p07_m07_a_refused_input_may_be_sent_again() -> None:
    story = paying().changes_plan("gold", id="change")
    assert story.refusal() == "unknown_plan"
    assert story.changes_plan("dental", id="change").asks() == [("subscription", usd(50))]


# G10: what the state refuses is one dead letter and changes nothing.
REFUSALS: dict[str, tuple[Callable[[], Story], str]] = {
    "opened twice": (lambda: paying().opens("dental"), "account_exists"),
    "a plan that is not offered": (lambda: Story().opens("gold"), "unknown_plan"),
    "a change to one": (lambda: paying().changes_plan("gold"), "unknown_plan"),
    "a change for nobody": (lambda: Subscriber().changes_plan("dental"), "unknown_account"),
    "a resumption after the end": (lambda: paying().cancels().ticks(FEBRUARY).resumes(), "no_subscription"),
    "a cancellation after the end": (lambda: paying().cancels().ticks(FEBRUARY).cancels(), "no_subscription"),
    "a cancellation on the credits plan": (lambda: Subscriber().opens().cancels(), "no_subscription"),
    "a resumption on the credits plan": (lambda: Subscriber().opens().resumes(), "no_subscription"),
    "the last card": (lambda: paying().removes_card(), "last_payment_method"),
    "a card that is not there": (lambda: paying().removes_card("pm9"), "unknown_payment_method"),
    "an answer to no payment": (lambda: paying().pays(payment_id="acme/overage/1"), "unknown_payment"),
    "a refund of the fee": (
        lambda: paying().says("credits-refund-requested", purchase_id="acme/subscription/1/1"),
        "unknown_purchase",
    ),
    "from the future": (
        lambda: paying().ticks().changes_plan("dental", at=later(SIGNUP, minutes=5, milliseconds=1), arrived_at=SIGNUP),
        "future_time",
    ),
}


@pytest.mark.parametrize(("told", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_g10_m08_a_refused_input_changes_nothing(told: Callable[[], Story], code: str) -> None:
    story = told()
    letter = only(story.answer())
    assert (letter["type"], letter["code"], letter["line"]) == ("dead-letter", code, len(story.inputs))
    assert letter["message"]
    with_it = snapshot_lines(story.lines())
    story.inputs.pop()
    assert with_it == snapshot_lines(story.lines())


# Two accounts in one log are each other's strangers.
def test_g04_m11_accounts_do_not_mix() -> None:
    def of(account_id: str) -> Subscriber:
        return Subscriber(account_id).subscribes().adds_card().uses(191).ticks(FEBRUARY).adds_number().ticks(MARCH)

    one, other = of("one"), of("other")
    # Each line of one, then the same of the other; a tick is for both.
    pairs = zip(one.inputs, other.inputs, strict=True)
    told = [event for pair in pairs for event in pair[: 1 if pair[0]["type"] == "clock-ticked" else 2]]
    facts = list(replay_lines(json.dumps(event).encode() for event in told))
    for story in (one, other):
        assert [f for f in facts if f["account_id"] == story.account_id] == story.facts()
