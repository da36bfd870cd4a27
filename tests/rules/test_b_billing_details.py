"""B9: the buyer on invoices, as `billing-details-set` gives it."""

import pytest

from tests.rules.story import Event
from tests.rules.subscriber import paying

# Contract: at most 500 characters each, without control characters; an address of at most six lines, separated by a
# line feed; a country of two capital letters.
WRONG: dict[str, Event] = {
    "a name of 501 characters": {"name": "n" * 501},
    "a name of two lines": {"name": "Example\nLtd"},
    "a name with a tab": {"name": "Example\tLtd"},
    "a tax id with a control character of Latin-1": {"tax_id": "12\x85"},
    "a tax id that is a number": {"tax_id": 7},
    "an address of seven lines": {"address": "a\nb\nc\nd\ne\nf\ng"},
    "an address that ends in a seventh, empty line": {"address": "a\nb\nc\nd\ne\nf\n"},
    "an address with a carriage return": {"address": "a\r\nb"},
    "an address of 501 characters": {"address": "a\n" + "b" * 499},
    "a country in small letters": {"country": "us"},
    "a country of three letters": {"country": "USA"},
    "a country and a line feed": {"country": "US\n"},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG.keys())
def test_b9_the_fields_of_billing_details_are_checked(fields: Event) -> None:
    assert paying().says("billing-details-set", **fields).refusal() == "schema_invalid"


# B9: `billing-details-set` at its bounds: 500 characters, six lines, two capital letters; empty clears.
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "n" * 500, "tax_id": "\u00e9" * 500},
        {"address": "a\nb\nc\nd\ne\nf"},
        {"address": "\n\n\n\n\n"},
        {"country": "ZZ"},
        {"name": "", "address": "", "country": "", "tax_id": ""},
        {"name": None, "address": None, "country": None, "tax_id": None},
    ],
)
def test_b9_the_bounds_of_billing_details_are_details(fields: Event) -> None:
    assert paying().says("billing-details-set", **fields).refusal() is None


# B9: it replaces all four fields; one that is left out, null or empty is cleared. What the snapshot shows then:
@pytest.mark.parametrize(
    ("then", "shown"),
    [
        (None, {"name": "Example Ltd", "address": "1 High St\nTown", "country": "GB", "tax_id": "GB1"}),
        ({"name": "Other Ltd", "country": "DE"}, {"name": "Other Ltd", "country": "DE"}),
        ({"name": None, "tax_id": "GB2"}, {"tax_id": "GB2"}),
        ({"name": "", "address": "2 High St", "country": ""}, {"address": "2 High St"}),
        ({"name": "", "tax_id": None}, None),
        ({}, None),
    ],
    ids=["as first set", "two of them", "one null", "two empty", "all cleared", "none given"],
)
def test_b9_billing_details_replace_all_four(then: Event | None, shown: Event | None) -> None:
    first = {"name": "Example Ltd", "address": "1 High St\nTown", "country": "GB", "tax_id": "GB1"}
    story = paying().says("billing-details-set", **first)
    if then is not None:
        story.says("billing-details-set", **then)
    assert story.answer() == []
    assert story.snapshot().get("billing_details") == shown
