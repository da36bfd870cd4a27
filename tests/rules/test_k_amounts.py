"""K4: the amounts that inputs may give, in micros of the account's currency."""

from pathlib import Path
from typing import Any

import pytest

from schemas.plan import load_catalogue
from tests.agents.partition import Partition
from tests.rules.story import Event, opened, usd
from tests.rules.test_k_currencies import account

PURCHASE = ("credits-purchase-requested", {"purchase_id": "p1"}, "amount_micros")
REFILL = ("auto-refill-set", {"enabled": True}, "amount_micros")
REFILL_OFF = ("auto-refill-set", {"enabled": False}, "amount_micros")
GRANT = ("credits-granted", {"grant_id": "g1", "reason": "r", "actor": "a"}, "amount_micros")
THRESHOLD = ("auto-refill-set", {"enabled": False}, "threshold_micros")
LIMIT = ("auto-refill-set", {"enabled": False}, "monthly_limit_micros")
FEE = ("phone-number-added", {"number": "+15550101"}, "monthly_fee_micros")


# K4: input, currency, micros -> its refusal.
@pytest.mark.parametrize(
    ("given", "currency", "micros", "refusal"),
    [
        # Purchases and refills: what a card can be charged. The first two are the examples.
        (PURCHASE, "USD", 100_000, "amount_not_payable"),
        (REFILL, "USD", 10_000, "amount_not_payable"),
        (PURCHASE, "USD", 500_000, None),
        (PURCHASE, "USD", 490_000, "amount_not_payable"),
        (PURCHASE, "USD", 20_000_001, "amount_not_payable"),
        (PURCHASE, "USD", 999_999_990_000, None),
        (PURCHASE, "USD", 1_000_000_000_000, "amount_not_payable"),
        (PURCHASE, "JPY", usd(50), None),
        (PURCHASE, "JPY", usd(49), "amount_not_payable"),
        (PURCHASE, "JPY", usd("50.5"), "amount_not_payable"),
        (PURCHASE, "KWD", 5_120_000, None),
        (PURCHASE, "KWD", 5_125_000, "amount_not_payable"),
        (REFILL, "USD", 500_000, None),
        (REFILL_OFF, "USD", 490_000, "amount_not_payable"),
        (REFILL_OFF, "KWD", 5_125_000, "amount_not_payable"),
        (REFILL_OFF, "KWD", 5_120_000, None),
        # The schema comes first.
        (PURCHASE, "USD", 0, "schema_invalid"),
        (PURCHASE, "USD", -1, "schema_invalid"),
        (PURCHASE, "USD", 9 * 10**15, "schema_invalid"),
        (REFILL, "USD", 0, "schema_invalid"),
        # All others: whole minor units. A grant is not 0; fees and limits may be 0, thresholds also negative.
        (GRANT, "USD", 10_000, None),
        (GRANT, "USD", -10_000, None),
        (GRANT, "USD", 5_000, "amount_not_payable"),
        (GRANT, "USD", 0, "schema_invalid"),
        (GRANT, "JPY", usd(1), None),
        (GRANT, "JPY", usd("0.5"), "amount_not_payable"),
        (GRANT, "KWD", 1_000, None),  # a minor unit, if no step
        (GRANT, "KWD", 500, "amount_not_payable"),
        (THRESHOLD, "USD", 0, None),
        (THRESHOLD, "USD", -10_000, None),
        (THRESHOLD, "USD", 1, "amount_not_payable"),
        (THRESHOLD, "USD", -(9 * 10**15), "schema_invalid"),
        (LIMIT, "USD", 0, None),
        (LIMIT, "USD", 10_000, None),
        (LIMIT, "USD", 10_001, "amount_not_payable"),
        (LIMIT, "USD", -10_000, "schema_invalid"),
        (FEE, "USD", 0, None),
        (FEE, "USD", 250_000, None),
        (FEE, "JPY", 250_000, "amount_not_payable"),
        (FEE, "USD", -10_000, "schema_invalid"),
        (FEE, "USD", "1", "schema_invalid"),
    ],
)
def test_k04_the_amounts_of_inputs(
    given: tuple[str, dict[str, Any], str], currency: str, micros: int, refusal: str | None
) -> None:
    kind, fields, field = given
    given_fields: Event = {**fields, field: micros}
    story = account(currency=currency).adds_card().says(kind, **given_fields)
    assert story.refusal() == refusal


@pytest.mark.parametrize(
    ("thresholds", "refusal"),
    [
        ([-5_000_000, 0, 5_000_000], None),
        ([5_000_000, 5_000], "amount_not_payable"),
        ([9 * 10**15], "schema_invalid"),
        ([1.5], "schema_invalid"),
    ],
)
def test_k04_alert_thresholds(thresholds: list[int], refusal: str | None) -> None:
    assert account().says("alert-thresholds-set", thresholds_micros=thresholds).refusal() == refusal


# K4: a kept amount is judged again when it is enabled again; it may not be payable any more.
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"enabled": True}, "amount_not_payable"),
        ({"enabled": False}, None),
        ({"enabled": False, "threshold_micros": usd(5)}, None),
        ({"enabled": True, "amount_micros": usd(60)}, None),
    ],
)
def test_k04_a_kept_amount_is_judged_when_it_is_enabled_again(
    tmp_path: Path, change: Event, refusal: str | None
) -> None:
    story = opened(credit=100).adds_card().refills(20, enabled=False)
    partition = Partition()
    partition.take(*story.inputs)
    (tmp_path / "currencies.toml").write_text("[USD]\nleast_micros = 50_000_000\n", encoding="utf-8")
    stricter = load_catalogue(None, tmp_path / "currencies.toml")
    done = len(story.inputs)
    story.says("auto-refill-set", **change)
    outcome = partition.restarted(stricter).take(*story.inputs[done:])
    codes = [code for (family, code), _ in outcome.tally.items() if family == "dead_letters"]
    assert codes == ([refusal] if refusal else [])


# X1: the order of the checks about an amount.
def test_x1_amounts_are_checked_after_repeats_and_cards_and_before_the_accounts_other_states() -> None:
    story = account().adds_card().buys("p1", 20).buys("p1", "0.1")
    assert story.answer() == []
    assert account().buys("p1", "0.1").refusal() == "unknown_payment_method"
    fields: Event = {"enabled": True, "threshold_micros": 1}
    assert account().says("auto-refill-set", **fields).refusal() == "amount_not_payable"
    assert account().says("auto-refill-set", **fields, payment_method_id="pm9").refusal() == "unknown_payment_method"
    assert account().says("auto-refill-set", enabled=True).refusal() == "schema_invalid"


# P8: a monthly limit of 0 removes the limit.
def test_p08_a_limit_of_0_removes_the_limit() -> None:
    story = account().adds_card().refills(20, monthly_limit_micros=usd(10))
    assert story.facts("refill-requested") == []
    assert story.refills(monthly_limit_micros=0).answer_types()[0] == "refill-requested"
    assert story.snapshot()["auto_refill"]["monthly_limit_micros"] is None
