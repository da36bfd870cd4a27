"""An explanation of a minutes call computes it again in the receipt's exact integers, and names what differs.

Rules G11, G1 and M2 to M5.
"""

from copy import deepcopy
from typing import Any

import pytest

from backoffice.explain.call_history import ExplainError
from backoffice.explain.command import explain
from tests.backoffice.explain.histories import Facts
from tests.rules.story import Story

KINDS = ("call-charged", "charge-adjusted")
MINUTE_MS = 60_000


def split_and_corrected() -> Facts:
    """99 minutes used, $0.10; `c1` takes 150 s, then 250 s by a later end. 1 minute is included, $0.11 each beyond."""
    story = Story().opens("professional").is_granted("0.10")
    story.starts("before").ends("before", seconds=99 * 60).waits(hours=2)
    story.starts("c1").ends("c1", seconds=150).ends("c1", seconds=250)
    return story.facts()


FACTS = split_and_corrected()


def changed(kind: str, *path: Any, by: int) -> Facts:
    facts = deepcopy(FACTS)
    node: Any = of(facts, kind)
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] += by
    return facts


def of(facts: Facts, kind: str) -> dict[str, Any]:
    return next(fact for fact in facts if fact["type"] == kind and fact["call_id"] == "c1")


def differences(facts: Facts) -> list[str]:
    return [line.split("DIFFERS: ")[1] for line in explain(facts, "c1").splitlines() if "DIFFERS: " in line]


def test_the_untouched_facts_add_up() -> None:
    assert differences(FACTS) == []
    assert "the ledger moved by what the wallet paid and got back" in explain(FACTS, "c1")


# Every number that a charge depends on, in its own unit. An explanation must report a change to any of them.
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "by"),
    [
        (("amount_micros",), 1),
        (("wallet_micros",), 1),
        (("card_micros",), 1),
        (("balance_before_micros",), 1),
        (("balance_after_micros",), 1),
        (("billable_ms",), 1),
        (("minutes_before",), 1),
        (("minutes_after",), -1),
        (("lines", 0, "amount_micros"), 1),
        (("receipt", "amount_micros"), 1),
        (("receipt", "unrounded_micros"), 1),
        (("receipt", "lines", 0, "amount_micros"), 1),
        (("receipt", "lines", 0, "unit_amount_micros"), 1),
        (("receipt", "lines", 0, "quantity"), 1),
        (("receipt", "lines", 1, "amount_micros"), 1),
        (("receipt", "lines", 1, "unit_amount_micros"), 1),
        (("receipt", "lines", 1, "quantity"), 1),
        (("receipt", "minutes", "pool_ms"), MINUTE_MS),
        (("receipt", "minutes", "used_before_ms"), 1),
        (("receipt", "minutes", "rated_ms"), 1),
        (("receipt", "minutes", "from_pool_ms"), 1),
        (("receipt", "minutes", "rate_micros"), 1),
        (("receipt", "minutes", "increment_first_s"), 1),
        (("receipt", "minutes", "increment_next_s"), -1),
        (("receipt", "charge_quantum_micros"), 200_000),
    ],
    ids=str,
)
def test_a_changed_number_is_found(kind: str, path: tuple[Any, ...], by: int) -> None:
    assert differences(changed(kind, *path, by=by))


# A fault names the first wrong number, not its consequences alone.
@pytest.mark.parametrize(
    ("path", "by", "expected"),
    [
        (("billable_ms",), 1, "the billable time is 2 min 30.001 s; from answer to end it should be 2 min 30 s"),
        (
            ("receipt", "minutes", "rated_ms"),
            MINUTE_MS,
            "the rated time is 4 minutes; in its increments it should be 3 minutes",
        ),
        (
            ("receipt", "minutes", "from_pool_ms"),
            -30_000,
            "0 min 30 s of it are included; by what the allowance had left it should be 1 minute",
        ),
        (("receipt", "unrounded_micros"), 1, "minutes times rate is not the unrounded $0.220001"),
        (
            ("receipt", "lines", 1, "quantity"),
            1,
            (
                "the receipt's lines do not match its minutes; they should be:"
                " included 1 minute for $0.00, minutes 2 minutes for $0.22"
            ),
        ),
        (("minutes_before",), 0.5, "minutes_before is 99.5; by the receipt it should be 99 minutes"),
        (("minutes_after",), 1, "minutes_after is 103; by the receipt it should be 102 minutes"),
        (("receipt", "minutes", "rate_micros"), 110_000, "recomputed $0.44, the receipt has $0.22"),
        (("wallet_micros",), 20_000, "wallet and card paid $0.24 together"),
    ],
)
def test_the_first_wrong_number_is_named(path: tuple[Any, ...], by: int, expected: str) -> None:
    assert f"acme/c1/charged: {expected}" in differences(changed("call-charged", *path, by=by))


def entry(facts: Facts) -> dict[str, Any]:
    return next(fact for fact in facts if fact["type"] == "ledger-entry-posted" and fact["reference"] == "c1")


# Other faults in a file of facts.
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda facts: facts.remove(entry(facts)), "the ledger has no entry of -$0.10"),
        # The card's part does not change the wallet.
        (lambda facts: entry(facts).update(amount_micros=-220_000), "the ledger entry of -$0.22 caused by input i6"),
        (lambda facts: of(facts, "call-charged").pop("minutes_before"), "minutes_before is missing"),
        (lambda facts: of(facts, "call-charged")["receipt"].update(real=False), "it should be 0 minutes"),
        (lambda facts: of(facts, "call-charged")["receipt"]["lines"].pop(0), "the receipt's lines do not match"),
        (lambda facts: of(facts, "call-charged")["receipt"].update(ended_at="soon"), "a readable time"),
        (
            lambda facts: of(facts, "charge-adjusted").update(wallet_micros=550_000, card_micros=-330_000),
            "acme/c1/adjusted/1: the card got back $0.21 more than this call had charged to it",
        ),
        (lambda facts: facts.append(of(facts, "call-charged") | {"id": "again"}), "the call was charged 2 times"),
    ],
    ids=range(8),
)
def test_other_faults_are_named(change: Any, expected: str) -> None:
    facts = deepcopy(FACTS)
    change(facts)
    assert expected in "\n".join(differences(facts))


# Minutes on the wire are for people: missing last digits are not a fault.
def test_minutes_may_have_lost_their_last_digits() -> None:
    facts = deepcopy(FACTS)
    of(facts, "call-charged")["minutes_before"] = 99.000000001
    assert differences(facts) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda receipt: receipt.pop("minutes"),
        lambda receipt: receipt["minutes"].update(increment_next_s=0),
        lambda receipt: receipt.update(charge_quantum_micros=0),
    ],
    ids=range(3),
)
def test_a_receipt_without_its_terms_cannot_be_explained(change: Any) -> None:
    facts = deepcopy(FACTS)
    change(of(facts, "call-charged")["receipt"])
    with pytest.raises(ExplainError, match="its receipt lacks the plan terms"):
        explain(facts, "c1")
