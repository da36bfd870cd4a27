"""Everything an input brings into a row or a record has a bound: the largest of each kind stays far below a megabyte.

An account with every text at its longest, in characters that take the most bytes, every list full, through a period's
end. What grows with a catalogue is the operator's.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from agents.wallet.funds.refund import REFUNDS_MAX
from agents.wallet.owner.cards import CARDS_MAX
from agents.wallet.owner.phone_numbers import NUMBERS_MAX
from schemas.batch import BatchResult
from schemas.inputs import AnyInput
from tests.agents.partition import Event, Partition, facts_of, header
from tests.rules.story import ALL, BOTH, Story, only, usd
from tests.rules.subscriber import Subscriber

SEEN = {
    "account-snapshot",
    "call-redirected",
    "invoice-issued",
    "payment-requested",
    "receipt-issued",
    "row account",
    "row a",
}
RECORD_BYTES_MAX = 1 << 17  # An eighth of what a topic takes.
WIDE = "\u0001"  # Six bytes in JSON.
ID = "%s" + "i" * 120
NAME, PROVIDERS, REFERENCE = (WIDE * length for length in (120, 1_024, 512))
TEXT = WIDE * 5_000  # Two fill an input, which is the bound.
SUFFIX = "x" * 120  # Makes an id of eight digits as long as an id can be.
EMAIL = f"{WIDE * 64}@{WIDE * 255}"
LARGEST = 9 * 10**15 - 1


def everything_at_its_largest() -> Subscriber:
    """A month of an account on a minutes plan, and one of a credits plan before it."""
    story = Subscriber("a" * 128).opens(billing_email=EMAIL).switches(*ALL).ticks()
    story.says("redirect-set", redirect_to=REFERENCE)
    story.says("alert-thresholds-set", thresholds_micros=[LARGEST // 10_000 * 10_000 - n * 10_000 for n in range(16)])
    for n in range(CARDS_MAX):
        story.adds_card(f"{n:08}{SUFFIX}", token=REFERENCE, brand="american_express", exp_month=12, exp_year=9999)
    for n in range(NUMBERS_MAX):
        story.adds_number(f"{n:08}{NAME}", 1)
    story.says("tax-rate-set", rate_ppm=999_999)
    story.starts("c" * 127 + "r", **{"from": TEXT, "to": TEXT})
    story.is_granted(10, f"g{SUFFIX}", reason=TEXT, actor=TEXT)
    story.calls(27, "c" * 126, used=BOTH * 1_500)
    story.reclassifies("c" * 126 + "27", real=False, reason=TEXT, actor=TEXT)
    return story


def decided(partition: Partition, story: Subscriber) -> Iterable[tuple[Event, BatchResult]]:
    """Each input and what it gave; payments are answered as they are asked for, declined at first."""
    waiting = list(story.inputs)
    answered = 0
    while waiting:
        event = waiting.pop(0)
        outcome = partition.take(event)
        yield event, outcome
        for fact in facts_of(outcome, "payment-requested"):
            answered += 1
            answer: Event = {"payment_id": fact["payment_id"], "occurred_at": event["occurred_at"]}
            answer |= {"account_id": story.account_id, "id": ID % f"{answered:08}"}
            if answered % 2:
                answer |= {"type": "payment-declined", "reason": TEXT, "retryable": answered % 4 == 1}
            else:
                answer |= {"type": "payment-succeeded", "provider_reference": PROVIDERS}
            waiting.insert(0, answer)


def test_the_largest_of_every_kind_is_far_below_what_a_topic_takes() -> None:
    story = everything_at_its_largest()
    story.refills(15, threshold_micros=usd(100), payment_method_id=f"00000000{SUFFIX}", monthly_limit_micros=usd(500))
    for n in range(4):
        story.buys(f"{n:08}{SUFFIX}", 20, payment_method_id=f"00000001{SUFFIX}").ticks(hours=1)
        story.says("credits-refund-requested", purchase_id=f"{n:08}{SUFFIX}")
    story.changes_plan("dental").changes_plan("real_estate").changes_plan("dental").ticks(hours=5)
    for n in range(6):
        story.talks("m" * 120 + f"{n:08}", 7_200_000).ticks(days=8)
    sizes: dict[str, int] = {}
    partition = Partition()
    codes = set()
    for _, outcome in decided(partition, story):
        for output in outcome.outputs:
            kind = header(output, "ce_type") or "dead-letter"
            codes.add(header(output, "errors.code"))
            parts = [output.key, output.value, *(part for name, text in output.headers for part in (name, text))]
            sizes[kind] = max(sizes.get(kind, 0), sum(len(part) for part in parts if part))
        for key, row in outcome.rows:
            kind = "row " + ("account" if "/" not in key else key.split("/")[1])
            sizes[kind] = max(sizes.get(kind, 0), len(key.encode()) + len(row or b""))
    assert codes <= {None, "nothing_to_refund"}, codes
    assert set(sizes) >= SEEN
    assert {kind: size for kind, size in sizes.items() if size > RECORD_BYTES_MAX} == {}


def unbounded(schema: Any, path: str) -> Iterator[str]:
    """Where a JSON Schema takes a text or a list of any length."""
    if isinstance(schema, list):
        for branch in schema:
            yield from unbounded(branch, path)
    elif isinstance(schema, dict):
        text = schema.get("type") == "string"
        if text and not schema.keys() & {"maxLength", "enum"} and "}" not in schema.get("pattern", ""):
            yield path
        if schema.get("type") == "array" and "maxItems" not in schema and "enum" not in schema["items"]:
            yield path
        for name, inner in schema.items():
            yield from unbounded(inner, f"{path}.{name}" if name not in {"properties", "anyOf", "items"} else path)


def test_every_text_of_every_input_has_a_bound() -> None:
    for kind in AnyInput.__args__:
        hooked = msgspec.json.schema(kind, schema_hook=lambda _: {"type": "string", "maxLength": 64})
        assert list(unbounded(hooked["$defs"][kind.__name__]["properties"], kind.__name__)) == []
    assert list(unbounded(msgspec.json.schema(str), "text")) == ["text"]
    assert list(unbounded(msgspec.json.schema(list[int]), "list")) == ["list"]


def test_refunds_have_a_bound_until_they_are_old() -> None:
    partition, story = Partition(), Story().opens().adds_card()
    for n in range(REFUNDS_MAX + 1):
        story.buys(f"p{n}", 1).pays(payment_id=f"acme/purchase/p{n}")
        story.says("credits-refund-requested", purchase_id=f"p{n}")
    refused = partition.take(*story.inputs)
    assert {code: count for (what, code), count in refused.tally.items() if what == "dead_letters"} == {
        "schema_invalid": 1
    }
    assert max(len(row or b"") for _, row in refused.rows) < RECORD_BYTES_MAX
    done = len(story.inputs)
    story.ticks(days=70).buys("late", 1).pays(payment_id="acme/purchase/late")
    story.says("credits-refund-requested", purchase_id="late")
    taken = partition.take(*story.inputs[done:])
    assert only([f for f in facts_of(taken, "payment-requested") if f["purpose"] == "refund"])["refund_of"]
