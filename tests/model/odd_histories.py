"""Histories in which time passes, inputs are repeated, and inputs come that do not belong."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.call_histories import CallHistories
from tests.model.draws import ACCOUNTS, JUMPS, LONG_JUMPS, PICKS, pick, plain_end
from tests.model.history import DOLLAR
from tests.model.naive_model import name_of
from tests.model.naive_time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, instant, wire_time
from tests.model.naive_wire import Wire, is_time


class OddHistories(CallHistories):
    """Adds ticks, repeats, and inputs that are refused."""

    @rule(jump=JUMPS)
    def tick(self, jump: int) -> None:
        self.send(self.history.tick(self.history.now_ms + jump))

    @rule(jump=LONG_JUMPS)
    def tick_far(self, jump: int) -> None:
        self.send(self.history.tick(self.history.now_ms + jump))

    @rule(number=st.integers(0, 40), changed=st.sampled_from([False, False, True]))
    def repeat(self, number: int, changed: bool) -> None:
        """The same again, or the same id with other content. Commands are promised to be remembered for 35 days."""
        wire = pick(self.history.wires, number)
        assert wire is not None
        if wire["type"] == "clock-ticked" or not self.is_remembered(wire):
            return
        account = self.account(wire["account_id"])
        is_repeat = name_of(wire) in self.model.seen
        known = account is not None and account.card(wire.get("payment_method_id")) is not None
        if wire["type"] == "payment-method-added" and known and not is_repeat:
            return  # It was refused before the account was open.
        wire = dict(wire)
        if changed:
            wire |= {"amount_micros": DOLLAR, "enabled": False, "real": False, "features": ["live_agent"]}
        self.history.wires.append(wire)
        self.send(wire)

    @rule(account_id=ACCOUNTS, number=PICKS, signed=st.booleans())
    def borrow_id(self, account_id: str, number: int, signed: bool) -> None:
        """A grant with the id of a call or a switch, or a switch with that of a grant: of the other class (rule G4)."""
        others = {"credits-granted"} if signed else {"call-started", "call-ended", "feature-set"}
        lender = pick([wire for wire in self.history.wires if wire["type"] in others], number)
        if lender is None:
            return
        if not all(self.is_remembered(wire) for wire in self.history.wires if wire["id"] == lender["id"]):
            return
        if signed:
            wire = self.history.add("feature-set", account_id, feature="live_agent", enabled=number % 2 == 0)
        else:
            wire = self.history.grant(DOLLAR, account_id)
        wire["id"] = lender["id"]
        self.send(wire)

    def is_remembered(self, wire: Wire) -> bool:
        """Whether a repeat of the input is promised to be known as one, or to be too late by its own time."""
        clock = self.model.world.clock
        account = self.account(wire["account_id"])
        call = account.calls.get(wire.get("call_id", "")) if account is not None else None
        if clock is None or not is_time(wire["occurred_at"]):
            return True
        if call is not None and call.last_heard_ms < clock - 34 * DAY_MS:
            return False
        return instant(wire["occurred_at"]) >= clock - 34 * DAY_MS or wire["type"] in ("call-started", "call-ended")

    @rule(account_id=ACCOUNTS, what=st.integers(0, 11))
    def odd_input(self, account_id: str, what: int) -> None:
        history, now = self.history, wire_time(self.history.now_ms)
        odd: list[tuple[str, dict[str, Any]]] = [
            ("call-telephoned", {}),
            ("call-started", {"call_id": "a b", "direction": "inbound"}),
            ("call-started", {"call_id": "x", "direction": "sideways"}),
            ("call-ended", {"call_id": "x", "direction": "web", "started_at": now, "outcome": "completed"}),
            ("feature-set", {"feature": "live_agent", "enabled": "yes"}),
            ("credits-granted", {"grant_id": "g0", "amount_micros": 0, "reason": "r", "actor": "s"}),
            ("credits-purchase-requested", {"purchase_id": "p0", "amount_micros": -1}),
            ("payment-succeeded", {"payment_id": "nobody-asked"}),
            ("subscription-cancel-requested", {}),
            ("account-opened", {"plan": "free"}),
            ("payment-method-defaulted", {"payment_method_id": "4242 4242 4242 4242"}),
            ("account-opened", {"plan": "gold"}),
        ]
        kind, fields = odd[what]
        is_opening_b = kind == "account-opened" and fields["plan"] == "free"
        self.send(history.add(kind, "b" if is_opening_b else account_id, **fields))

    @rule(account_id=ACCOUNTS, off=st.sampled_from([-HOUR_MS, -1, 5 * MINUTE_MS, 5 * MINUTE_MS + 1]))
    def off_the_clock(self, account_id: str, off: int) -> None:
        """A tick that is older than the clock, a command from as far ahead as is allowed, or a millisecond further."""
        clock = self.model.world.clock
        if clock is not None and off < 0:
            self.send(self.history.add("clock-ticked", "*", at_ms=clock + off))
        elif clock is not None:
            self.send(self.history.add("redirect-set", account_id, redirect_to="+1555", at_ms=clock + off))

    @rule(ahead=st.sampled_from([MINUTE_MS, MINUTE_MS + 1, 400 * DAY_MS]))
    def tick_ahead(self, ahead: int) -> None:
        """A tick as far ahead of its own arrival as is allowed, or further: one wrong clock moves nothing."""
        if self.history.arrives:
            self.send(self.history.add("clock-ticked", "*", at_ms=self.history.now_ms + ahead))

    @rule(account_id=ACCOUNTS, late=st.sampled_from([0, 1]))
    def at_the_horizon(self, account_id: str, late: int) -> None:
        account = self.account(account_id)
        clock = self.model.world.clock
        if account is None or clock is None:
            return
        started = clock - 35 * DAY_MS - 7 * SECOND_MS - late
        if started >= instant(account.opened["occurred_at"]):
            self.end(self.new_call(), account_id, started, plain_end(["live_agent"]))
