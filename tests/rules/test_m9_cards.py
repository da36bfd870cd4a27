"""M9, P15 and P16: payment methods, of which only a token, brand, last four digits and expiry are ever stored."""

from typing import Any

import pytest

from tests.rules.story import Story, opened

TEST_CARD = "4242424242424242"


def default_of(story: Story) -> str:
    """The card that a purchase charges when it names none."""
    before = len(story.facts("payment-requested"))
    story.buys(f"probe{before}", 1)
    return str(story.facts("payment-requested")[-1]["payment_method_id"])


# P15: the first card added is the default; removing the default makes the oldest remaining one default.
def test_p15_the_first_card_is_the_default() -> None:
    story = opened().adds_card("a").adds_card("b")
    assert default_of(story) == "a"
    assert default_of(story.says("payment-method-defaulted", payment_method_id="b")) == "b"


@pytest.mark.parametrize(
    ("default", "removed", "then"),
    [("a", ["a"], "b"), ("b", ["b"], "a"), ("c", ["c"], "a"), ("a", ["b"], "a"), ("c", ["a", "c"], "b")],
)
def test_p15_removing_the_default_makes_the_oldest_remaining_one_default(
    default: str, removed: list[str], then: str
) -> None:
    story = opened().adds_card("a").adds_card("b").adds_card("c")
    story.says("payment-method-defaulted", payment_method_id=default)
    for card in removed:
        assert story.says("payment-method-removed", payment_method_id=card).refusal() is None
    assert default_of(story) == then


# M9: the only card is protected while a subscription is active; a credits plan has none.
def test_p15_the_only_card_of_a_credits_account_can_be_removed() -> None:
    story = opened().adds_card("a").says("payment-method-removed", payment_method_id="a")
    assert story.refusal() is None
    assert story.buys("p1", 5).refusal() == "unknown_payment_method"
    assert default_of(story.adds_card("b")) == "b"


@pytest.mark.parametrize("kind", ["payment-method-removed", "payment-method-defaulted"])
def test_m09_a_card_that_is_not_there_is_refused(kind: str) -> None:
    assert opened().adds_card("a").says(kind, payment_method_id="b").refusal() == "unknown_payment_method"


def test_m09_a_card_of_the_same_id_is_renewed_not_added() -> None:
    story = opened().adds_card("a").adds_card("b").adds_card("a", token="tok_new")
    assert default_of(story) == "a"
    assert story.facts("payment-requested")[-1]["token"] == "tok_new"


@pytest.mark.parametrize("brand", ["visa", "mastercard", "american_express", "discover"])
def test_p15_the_four_brands(brand: str) -> None:
    assert opened().adds_card(brand=brand).refusal() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"brand": "diners"},
        {"brand": "Visa"},
        {"last4": "424"},
        {"last4": "42424"},
        {"last4": "٤٢٤٢"},
        {"last4": 4242},
        {"exp_month": 0},
        {"exp_month": 13},
        {"exp_month": "04"},
        {"exp_year": 31},
        {"token": ""},
        {"payment_method_id": ""},
    ],
    ids=repr,
)
def test_m09_types_and_ranges_are_checked(wrong: dict[str, Any]) -> None:
    story = opened().adds_card("pm1")
    story.inputs[-1].update(wrong)
    assert story.refusal() == "schema_invalid"


# P16: 13 to 19 digits, single spaces or dashes between, passing Luhn, in any value of any field.
CARD_NUMBERS: dict[str, dict[str, Any]] = {
    "a known field": {"token": TEST_CARD},
    "an unknown field": {"pan": TEST_CARD},
    "inside a text": {"token": f"tok ({TEST_CARD})"},
    "spaces": {"token": "4242 4242 4242 4242"},
    "dashes": {"token": "4242-4242-4242-4242"},
    "mixed": {"token": "4242 4242-42424242"},
    "single digits": {"token": "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2"},
    "an integer": {"pan": 4242424242424242},
    "a negative integer": {"pan": -4242424242424242},
    "a float": {"pan": 4242424242424242.0},
    "in a list": {"more": ["x", TEST_CARD]},
    "in a table": {"more": {"deep": [{"er": TEST_CARD}]}},
    "in a nested `id`": {"more": {"id": TEST_CARD}},
    "in a key": {TEST_CARD: "x"},
    "in a nested key": {"more": {TEST_CARD: 1}},
    "13 digits": {"pan": "4222222222222"},
    "15 digits": {"pan": "378282246310005"},
    "19 digits": {"pan": "6304000000000000000"},
    "an integer of 19 digits": {"pan": 6304000000000000000},
    "beside an expiry": {"pan": "4242424242424242 12-31"},
    "a wrong schema": {"token": TEST_CARD, "brand": 7},
    "in `payment_method_id`": {"payment_method_id": TEST_CARD},
    "in `last4`": {"last4": TEST_CARD},
}


@pytest.mark.parametrize("kind", ["payment-method-added", "payment-method-removed", "payment-method-defaulted"])
@pytest.mark.parametrize("fields", CARD_NUMBERS.values(), ids=CARD_NUMBERS.keys())
def test_p16_a_payment_method_with_a_card_number_is_refused(kind: str, fields: dict[str, Any]) -> None:
    story = opened().adds_card()
    story.inputs[-1].update({"type": kind, **fields})
    assert story.refusal() == "card_number_refused"
    assert "4242" not in story.answer()[0]["message"]


# X1: an unknown type comes before a card number. What is written of it: tests/agents/test_money_movers.py.
def test_x01_a_payment_method_input_of_an_unknown_type() -> None:
    assert opened().says("payment-method-shown", pan=TEST_CARD).refusal() == "unknown_type"


NO_CARD_NUMBERS: dict[str, dict[str, Any]] = {
    "12 digits": {"token": "424242424242"},
    "12 digits that pass Luhn": {"token": "400000000002"},
    "20 digits": {"token": "42424242424242424240"},
    "Luhn fails": {"token": "4242424242424241"},
    "two spaces between": {"token": "4242  4242  4242  4242"},
    "letters between": {"token": "4242x4242x4242x4242"},
    "dots between": {"token": "4242.4242.4242.4242"},
    "the id": {"id": TEST_CARD},
    "booleans and null": {"a": True, "b": None},
}


@pytest.mark.parametrize("fields", NO_CARD_NUMBERS.values(), ids=NO_CARD_NUMBERS.keys())
def test_p16_what_is_no_card_number_is_taken(fields: dict[str, Any]) -> None:
    story = opened().adds_card()
    story.inputs[-1].update(fields)
    assert story.refusal() is None


def test_p16_the_account_id_may_look_like_a_card_number() -> None:
    assert Story(TEST_CARD).opens().adds_card().refusal() is None


# Phone numbers and numeric ids pass Luhn by chance.
def test_p16_other_inputs_are_not_checked() -> None:
    story = opened(credit=5).says("redirect-set", redirect_to=TEST_CARD)
    assert story.refusal() is None
    assert story.starts(TEST_CARD, to=TEST_CARD, **{"from": TEST_CARD}).refusal() is None
    assert story.is_granted(1, TEST_CARD).refusal() is None
