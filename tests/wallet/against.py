"""The real rules on a history, and the comparison of what they said with what the naive model expects.

The real rules are reached through the wire alone: lines of JSON in, facts out.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.plan import Catalogue
from stream.replay import replay_lines, snapshot_lines
from tests.wallet.naive_account import NaiveAccount
from tests.wallet.naive_model import NaiveModel
from tests.wallet.naive_time import instant, period_start
from tests.wallet.naive_wire import Wire
from tests.wallet.naive_world import Fact, payment_name, refill_name

# Facts that belong to other plans or other tests than these.
NOT_MODELLED = ("receipt-issued", "invoice-issued", "invoice-paid", "account-snapshot")
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


def run_real(wires: Sequence[Wire], catalogue: Catalogue | None = None) -> RealRun:
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

        for item in replay_lines(source(), catalogue):
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
    """Which id stands for the n-th payment and the n-th refill of each account."""

    ids: dict[str, str]
    found: dict[str, str] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refills: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, fact: Fact) -> None:
        if fact["type"] == "payment-requested":
            self.payments[fact["account_id"]] += 1
            self._name(payment_name(fact["account_id"], self.payments[fact["account_id"]]), fact["payment_id"])
        elif fact["type"] == "refill-requested":
            known = self.refills[fact["account_id"]]
            if fact["refill_id"] not in known:
                known.append(fact["refill_id"])
                self._name(refill_name(fact["account_id"], len(known)), fact["refill_id"])

    def _name(self, name: str, real_id: str) -> None:
        self.found[name] = real_id
        self.ids[name] = real_id


def differences(wires: Sequence[Wire], expected: list[list[Fact]], real: RealRun) -> list[str]:
    """One sentence for each thing the two say differently; empty when they agree."""
    found: list[str] = []
    said_codes = {fact["line"]: fact["code"] for fact in real.facts if fact["type"] == "dead-letter"}
    for line, (wire, facts) in enumerate(zip(wires, expected, strict=True), 1):
        code = next((fact["code"] for fact in facts if fact["type"] == "dead-letter"), None)
        if said_codes.get(line) != code:
            found.append(f"line {line} {wire['type']}: expected dead letter {code}, real {said_codes.get(line)}")
    wanted = _by_cause([fact for facts in expected for fact in facts])
    said = _by_cause(real.facts)
    causes = {(str(wire.get("account_id")), str(wire.get("id"))): line for line, wire in enumerate(wires, 1)}
    for key in sorted({*wanted, *said}, key=lambda key: (causes.get((key[0], key[1]), 0), key)):
        found.extend(_compare(key, wanted.get(key, []), said.get(key, []), real.names))
    return found


Key = tuple[str, str, str]


def _by_cause(facts: list[Fact]) -> dict[Key, list[Fact]]:
    """Facts by account, input and topic: in order there."""
    groups: dict[Key, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact["type"] != "dead-letter" and fact["type"] not in NOT_MODELLED:
            topic = TOPIC_OF.get(fact["type"], str(fact["type"]))
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
    if name == "period_start":
        return instant(fact[name])
    value = fact.get(name)
    return names.get(str(value), value) if name in ("payment_id", "refill_id", "purchase_id") else value


def snapshot_differences(model: NaiveModel, lines: list[bytes], catalogue: Catalogue | None) -> list[str]:
    """The final snapshots against the model's accounts."""
    snapshots = {snapshot["account_id"]: snapshot for snapshot in snapshot_lines(lines, catalogue)}
    found = [f"no snapshot of {account_id}" for account_id in model.accounts if account_id not in snapshots]
    for account_id, account in model.accounts.items():
        snapshot = snapshots.get(account_id, {})
        found.extend(
            f"snapshot of {account_id}: {path}: expected {value!r}, real {_at(snapshot, path)!r}"
            for path, value in expected_snapshot(model, account).items()
            if _at(snapshot, path) != value
        )
    return found


def _at(snapshot: dict[str, Any], path: str) -> Any:
    value: Any = snapshot
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return instant(value) if path.startswith("usage.period_") and value is not None else value


def expected_snapshot(model: NaiveModel, account: NaiveAccount) -> dict[str, Any]:
    moments = [instant(wire["occurred_at"]) for wire in account.accepted]
    now_ms = max(moments if model.world.clock is None else [*moments, model.world.clock])
    period = account.period_of(now_ms)
    signup_ms, time_zone = instant(account.opened["occurred_at"]), account.opened.get("time_zone") or "UTC"
    calls = [call for call in account.calls.values() if call.ends and account.period_of(call.started_ms) == period]
    cost = {"inbound": 0, "outbound": 0, "web": 0}
    for call in calls:
        cost[call.ends[-1]["direction"]] += call.charged
    switches = ("extra_calls", "live_agent", "appointment_booking")
    return {
        "plan": model.world.plan.name,
        "plan_version": model.world.plan.version,
        "balance_micros": account.balance,
        "held_micros": account.held,
        "available_micros": account.available,
        "features": {name: name in account.switches for name in switches},
        "auto_refill.enabled": account.auto_refill["enabled"],
        "usage.period_start": period_start(signup_ms, time_zone, period),
        "usage.period_end": period_start(signup_ms, time_zone, period + 1),
        "usage.calls_counted": len(account.calls_of(period)),
        "usage.calls_included": model.world.plan.included_calls,
        "usage.cost_by_call_type_micros": cost,
        "open_calls": sum(call.is_open for call in account.calls.values()),
    }


def broken_invariants(wires: Sequence[Wire], real: RealRun) -> list[str]:
    """What must hold of the real facts whatever the model says: ids, the ledger's chain, lines, adjusted charges."""
    found: list[str] = []
    ids: set[str] = set()
    balances: dict[str, int] = defaultdict(int)
    charges: dict[str, Fact] = {}
    happened = {(str(wire["account_id"]), str(wire["id"])): str(wire["occurred_at"]) for wire in reversed(wires)}
    for fact in real.facts:
        if fact["type"] == "dead-letter":
            continue
        account_id = fact["account_id"]
        if fact["id"] in ids:
            found.append(f"two facts have the id {fact['id']}")
        ids.add(fact["id"])
        cause = happened.get((account_id, fact["caused_by"])) or happened.get(("*", fact["caused_by"]))
        if cause is None or instant(cause) != instant(fact["occurred_at"]):
            found.append(f"{fact['id']}: occurred_at {fact['occurred_at']}, its input {cause}")
        if fact["type"] == "ledger-entry-posted":
            balances[account_id] += fact["amount_micros"]
            if fact["balance_after_micros"] != balances[account_id] or fact["amount_micros"] == 0:
                found.append(f"ledger chain of {account_id} broken at {fact['id']}")
        if fact["type"] in ("call-charged", "charge-adjusted"):
            found.extend(_broken_charge(fact, charges))
    return found


def _broken_charge(fact: Fact, charges: dict[str, Fact]) -> list[str]:
    key = f"{fact['account_id']} {fact['call_id']}"
    found: list[str] = []
    if sum(line["amount_micros"] for line in fact["lines"]) != fact["amount_micros"]:
        found.append(f"{key}: lines do not sum to the amount")
    if fact["balance_before_micros"] - fact["wallet_micros"] != fact["balance_after_micros"]:
        found.append(f"{key}: balance before, wallet and balance after do not agree")
    if fact["type"] == "call-charged":
        if key in charges:
            found.append(f"{key}: charged twice")
        charges[key] = fact
    elif fact.get("adjusts") != charges.get(key, {}).get("id"):
        found.append(f"{key}: adjusts {fact.get('adjusts')}, its charge is {charges.get(key, {}).get('id')}")
    return found
