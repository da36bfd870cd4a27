"""The real rules on a history, and the comparison of what they said with what the naive model expects.

The real rules are reached through the wire alone: lines of JSON in, facts out.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from backoffice.replay import Time, replay_lines
from schemas.plan import Catalogue
from tests.model.naive_time import MINUTE_MS, instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import Fact, payment_name, refill_name

NAMED = ("payment_id", "refill_id", "purchase_id", "refund_of", "reference")
# Within one input the order of facts is promised on each topic alone; alerts of different kinds have no order.
TOPIC_OF = {
    "call-charged": "charges",
    "call-admitted": "call-decisions",
    "charge-adjusted": "charges",
    "call-redirected": "call-decisions",
}


@dataclass
class RealRun:
    """What the real rules said to a history: `facts` in order, dead letters among them, and the names of their ids."""

    lines: list[bytes]
    facts: list[Fact]
    names: dict[str, str] = field(default_factory=dict)


def encode(wire: Wire, ids: dict[str, str]) -> bytes:
    """One line, with the names of payments and refills replaced by the ids that the real rules gave them."""
    named = ("payment_id", "purchase_id")
    real = {k: ids.get(v, v) if k in named and isinstance(v, str) else v for k, v in wire.items()}
    return json.dumps(real).encode()


def run_real(wires: Sequence[Wire], catalogue: Catalogue | None = None, time: Time = "broker") -> RealRun:
    """Replays a history. The ids of payments come from the facts so far, so it runs again until they are settled."""
    ids: dict[str, str] = {}
    for _ in range(len(wires) + 2):
        used: dict[str, str] = {}
        lines: list[bytes] = []
        facts: list[Fact] = []
        learnt = Names(dict(ids))

        def source(used: dict[str, str] = used, lines: list[bytes] = lines, learnt: Names = learnt) -> Iterator[bytes]:
            for wire in wires:
                used.update({name: learnt.ids.get(name, name) for name in _named(wire)})
                lines.append(encode(wire, learnt.ids))
                yield lines[-1]

        for item in replay_lines(source(), catalogue, time):
            fact = json.loads(item) if isinstance(item, bytes) else item
            facts.append(fact)
            learnt.learn(fact)
        if all(value == learnt.found.get(name, name) for name, value in used.items()):
            return RealRun(lines, facts, {value: name for name, value in learnt.found.items()})
        ids = learnt.found
    raise AssertionError("the ids of payments never settled: they depend on more than the inputs before them")


def _named(wire: Wire) -> list[str]:
    return [wire[name] for name in ("payment_id", "purchase_id") if isinstance(wire.get(name), str)]


@dataclass
class Names:
    """Which id stands for which payment or refill of an account: those that an input led to, in their order."""

    ids: dict[str, str]
    found: dict[str, str] = field(default_factory=dict)
    payments: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    refills: set[str] = field(default_factory=set)

    def learn(self, fact: Fact) -> None:
        account_id, cause = str(fact.get("account_id")), str(fact.get("caused_by"))
        if fact["type"] == "payment-requested":
            purpose = fact["purpose"]
            self.payments[account_id, cause, purpose] += 1
            number = self.payments[account_id, cause, purpose]
            self._name(payment_name(account_id, cause, purpose, number), fact["payment_id"])
        elif fact["type"] == "refill-requested" and fact["refill_id"] not in self.refills:
            self.refills.add(fact["refill_id"])
            self._name(refill_name(account_id, cause), fact["refill_id"])

    def _name(self, name: str, real_id: str) -> None:
        self.found[name] = real_id
        self.ids[name] = real_id


def differences(wires: Sequence[Wire], expected: list[list[Fact]], real: RealRun) -> list[str]:
    """One sentence for each thing the two say differently; empty when they agree."""
    found: list[tuple[int, str]] = []
    said_codes = {fact["line"]: fact["code"] for fact in real.facts if fact["type"] == "dead-letter"}
    for line, (wire, facts) in enumerate(zip(wires, expected, strict=True), 1):
        code = next((fact["code"] for fact in facts if fact["type"] == "dead-letter"), None)
        if said_codes.get(line) != code:
            found.append((line, f"{wire['type']}: expected dead letter {code}, real {said_codes.get(line)}"))
    wanted = _by_cause([fact for facts in expected for fact in facts])
    said = _by_cause(real.facts)
    lines = {str(wire.get("id")): line for line, wire in enumerate(wires, 1)}
    for key in {*wanted, *said}:
        told = _compare(key, wanted.get(key, []), said.get(key, []), real.names)
        found.extend((lines.get(key[1], 0), problem) for problem in told)
    return [problem for _, problem in sorted(found)]


Key = tuple[str, str, str]


def _by_cause(facts: list[Fact]) -> dict[Key, list[Fact]]:
    """Facts by account, input and topic: in order there."""
    groups: dict[Key, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact["type"] not in ("dead-letter", "account-snapshot"):
            topic = TOPIC_OF.get(fact["type"], str(fact["type"]))
            topic += f" {fact['purpose']}" if fact["type"] == "payment-requested" else ""
            groups[fact["account_id"], fact["caused_by"], topic].append(fact)
    return groups


def _compare(key: Key, wanted: list[Fact], said: list[Fact], names: dict[str, str]) -> list[str]:
    where = f"{key[0]} {key[1]} {key[2]}"
    if len(wanted) != len(said):
        shown = [{name: fact.get(name) for name in ("type", *_telling(fact))} for fact in said]
        return [f"{where}: expected {len(wanted)} {wanted}, real {len(said)} {shown}"]
    found: list[str] = []
    for one, other in zip(wanted, said, strict=True):
        found.extend(
            f"{where}: {one.get('call_id', '')} {name}: expected {value!r}, real {read(other, name, names)!r}"
            for name, value in one.items()
            if read(other, name, names) != value
        )
    return found


def _telling(fact: Fact) -> list[str]:
    names = ("call_id", "amount_micros", "kind", "reason", "ordinal", "threshold_micros", "redirected_calls", "purpose")
    return [name for name in names if name in fact]


def read(fact: Fact, name: str, names: dict[str, str]) -> Any:
    """A field of a real fact in the model's terms."""
    if name == "money_lines":
        return {line["kind"]: line["amount_micros"] for line in fact["lines"] if line["amount_micros"]}
    if name == "not_enabled":
        return any(line["kind"] == "not_enabled" for line in fact["lines"])
    if name in ("included_ms", "beyond_ms"):
        kind = "included" if name == "included_ms" else "minutes"
        return milliseconds(sum(line["quantity"] for line in fact["lines"] if line["kind"] == kind))
    if name == "line_units":
        return [(quantity_of(line), line.get("unit_amount_micros")) for line in fact["lines"]]
    if name == "costing_lines":
        return [(line["kind"], line["amount_micros"], line.get("direction")) for line in fact["lines"]]
    value = fact.get(name)
    if name in ("minutes_before", "minutes_after"):
        return milliseconds(value)
    if name in ("period_start", "period_end", "retry_at"):
        return None if value is None else instant(str(value))
    return names.get(str(value), value) if name in NAMED else value


def quantity_of(line: Fact) -> Fraction | None:
    """Minutes or pieces, to a millisecond, of which a fraction of a minute may lack a part."""
    quantity = line.get("quantity")
    return None if quantity is None else Fraction(round(quantity * MINUTE_MS), MINUTE_MS)


def milliseconds(minutes: Any) -> int | None:
    """Minutes of the wire as milliseconds, of which a fraction of a minute may lack a part."""
    return None if minutes is None else round(minutes * MINUTE_MS)
