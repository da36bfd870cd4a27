"""A field with a value that its enum does not have: the refusal lists the contract's values. Rule X1."""

from typing import Any

import pytest

from schemas.codec import Unreadable, decode_input
from tests.schemas.test_codec import END, HEAD, raw


# The message lists the values of the contract, and never repeats the one that was sent: it may be about a person.
@pytest.mark.parametrize("sent", ["sideways", "+4915110203040", "4111111111111111", "a - at `$.outcome`", "x" * 5_000])
@pytest.mark.parametrize(
    ("event", "field", "many", "message"),
    [
        (END, "direction", False, "`direction` must be one of inbound, outbound, web"),
        (
            *(END, "outcome", False),
            "`outcome` must be one of busy, canceled, completed, failed, no_answer, redirected",
        ),
        (END, "features", True, "`features[0]` must be one of appointment_booking, live_agent"),
        (
            *({"type": "feature-set", **HEAD, "enabled": True}, "feature", False),
            "`feature` must be one of appointment_booking, extra_calls, live_agent",
        ),
        ({"type": "clock-ticked", **HEAD}, "account_id", False, "`account_id` must be *"),
    ],
)
def test_a_value_that_the_contract_does_not_have_is_answered_with_those_that_it_has(
    event: dict[str, Any], field: str, message: str, sent: str, *, many: bool
) -> None:
    refusal = decode_input(raw(event, **{field: [sent] if many else sent}))
    assert refusal == Unreadable("schema_invalid", message)
