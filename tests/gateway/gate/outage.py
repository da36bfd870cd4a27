"""An engine that is away while calls go on: the policy answers, the log keeps the starts, and the engine that comes
back decides each of them and charges it as a replay of the log does.
"""

import random
from collections import Counter
from itertools import count
from pathlib import Path

from schemas.instant import MINUTE_MS
from tests.gateway.gate.calls import (
    Answer,
    authorize,
    authorize_all,
    decisions,
    ending,
    facts_of,
    now_ms,
    opened,
    opening,
    records,
    sample,
    send,
    starts,
)
from tests.gateway.stage import PARTITIONS, GatewayStage
from tests.lane.stage import wait_until
from tests.repair.test_export import by_account, events_of

Call = tuple[str, str]

ACCOUNTS, KEYS = 20, 3
ALLOWED_PER_ACCOUNT, ALLOWED_PER_KEY = 6, 30
CALLS_PER_ACCOUNT = 12
# Features and credit: the engine redirects some calls of the accounts without credit.
KINDS: tuple[tuple[tuple[str, ...], int], ...] = ((("extra_calls", "live_agent"), 500), (("extra_calls",), 0), ((), 9))
DECIDED_WITHIN_S = 120
NO_SUCH_ACCOUNT = {
    "decision": "redirect",
    "reason": "unknown_account",
    "features_enabled": [],
    "hold_micros": 0,
    "source": "policy",
}


class Outage:
    """A worker, views and a gateway, and what the gateway answered while the worker was away."""

    def __init__(self, stage: GatewayStage) -> None:
        self.stage = stage
        self.worker = stage.worker()
        stage.views()
        self.keys = [stage.keys.add(f"calls-{number}", "calls", requests_per_s=1_000) for number in range(KEYS)]
        self.gateway = stage.gateway(
            gate_timeout_ms=500, gate_blind_max=ALLOWED_PER_KEY, gate_blind_account_max=ALLOWED_PER_ACCOUNT
        )
        self.accounts = [f"acct-{number}" for number in range(ACCOUNTS)]
        inputs = []
        for number, account in enumerate(self.accounts):
            features, credit = KINDS[number % len(KINDS)]
            inputs += opening(account, *features, credit=credit)
        opened(stage, inputs)
        self.answers: dict[Call, Answer] = {}
        self.allowed_for_nobody = 0
        self.minutes = 0  # Minutes of the clock that the outage touched.

    def begin(self, seconds: float) -> None:
        """The worker ends; then calls are asked about for `seconds`, and at least once for each account."""
        self.stage.end(self.worker)
        assert self.worker.process.wait(60) == 0
        began_ms, number = now_ms(), 0
        while number == 0 or now_ms() - began_ms < seconds * 1_000:
            calls = [(account, f"c{number}-{n}") for n in range(CALLS_PER_ACCOUNT) for account in self.accounts]
            self.answers |= authorize_all(self.stage, calls, self.keys)
            number += 1
        self.minutes = now_ms() // MINUTE_MS - began_ms // MINUTE_MS + 1

    def check_answers(self) -> None:
        """The policy allowed no more than the limits of each minute, and redirected the rest."""
        assert {answer["source"] for answer in self.answers.values()} == {"policy"}
        reasons = Counter((answer["decision"], answer["reason"]) for answer in self.answers.values())
        assert reasons.keys() == {("allow", "policy_open"), ("redirect", "policy_blind_max")}
        allowed = reasons["allow", "policy_open"]
        assert KEYS * ALLOWED_PER_KEY <= allowed <= KEYS * ALLOWED_PER_KEY * self.minutes
        by_account = Counter(account for (account, _), answer in self.answers.items() if answer["decision"] == "allow")
        assert max(by_account.values()) <= ALLOWED_PER_ACCOUNT * self.minutes
        assert {tuple(answer["features_enabled"]) for answer in self.answers.values()} == {()}

    def check_asked_again(self) -> None:
        """While the engine is away a call gets its first answer again, and nothing more is written: the log has it."""
        again = authorize_all(self.stage, calls := list(self.answers))
        for call in calls:
            first = {"logged": True, "decided_in_ms": again[call]["decided_in_ms"]}
            assert again[call] == self.answers[call] | first
        assert len(starts(self.stage, *calls[0])) == 1
        numbers = count()

        # Redis or the views may be slow for one of these calls: then the policy does not know that there is no such
        # account, and allows what the engine will redirect.
        def is_known() -> bool:
            invented = authorize(self.stage, "nobody", f"invented-{next(numbers)}")
            self.allowed_for_nobody += invented["decision"] == "allow"
            return facts_of(invented) == NO_SUCH_ACCOUNT

        wait_until(is_known, "that the account does not exist")

    def end(self) -> None:
        """A worker comes back: it decides every start, the gateway counts each answer that differs, and gives the
        engine's from now on.
        """
        self.worker = self.stage.worker()
        undecided = "tollgate_gate_undecided_starts"
        wait_until(lambda: sample(self.gateway, undecided) == 0, "a decision on every start", DECIDED_WITHIN_S)
        found = decisions(self.stage)
        engine = {call: "allow" if found[call][0]["type"] == "call-admitted" else "redirect" for call in self.answers}
        assert all(len(found[call]) == 1 for call in self.answers)
        differing = sum(self.answers[call]["decision"] != decision for call, decision in engine.items())
        differing += self.allowed_for_nobody
        assert sample(self.gateway, "tollgate_gate_differing_total") == differing > 0
        again = authorize_all(self.stage, some := random.Random(1).sample(list(self.answers), 50))
        assert {again[call]["source"] for call in some} == {"engine"}
        assert {call: again[call]["decision"] for call in some} == {call: engine[call] for call in some}

    def check_charges(self, directory: Path) -> None:
        """Every call ends and has one charge, and a replay of the exported log gives the events that were published."""
        send(self.stage, [ending(*call, features=["live_agent"]) for call in self.answers])

        def charged() -> Counter[Call]:
            charges = records(self.stage, "charges")
            return Counter((c["account_id"], c["call_id"]) for c in charges if c["type"] == "call-charged")

        wait_until(lambda: charged().keys() >= self.answers.keys(), "a charge for every call", DECIDED_WITHIN_S)
        assert set(charged().values()) == {1}
        self.stage.end(self.worker)
        assert self.worker.process.wait(60) == 0
        file = directory / "inputs.jsonl"
        assert self.stage.command("export", "--inputs", "-o", str(file)).returncode == 0
        replayed = by_account(
            events_of(self.stage.command("replay", str(file), "--partitions", str(PARTITIONS)).stdout)
        )
        published = by_account(events_of(self.stage.command("export").stdout))
        assert replayed == published
