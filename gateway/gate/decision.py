"""What the gate answers about a call, and how it reads that from an event of `call-decisions`."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from agents.views.layout import UNKEPT_REASONS
from schemas.facts import REFUSED

ALLOW: Final = "allow"
REDIRECT: Final = "redirect"
ENGINE: Final = "engine"
POLICY: Final = "policy"

ALREADY_REPORTED = "already_reported"
UNKNOWN_ACCOUNT = "unknown_account"
POLICY_OPEN, POLICY_CLOSED, POLICY_BLIND_MAX = "policy_open", "policy_closed", "policy_blind_max"
# The engine's reasons, as its events name them.
ENGINE_REASONS = (
    *("included", "credits", "subscription"),
    *("insufficient_balance", "extra_calls_off", "subscription_ended", UNKNOWN_ACCOUNT, REFUSED),
    ALREADY_REPORTED,
)
POLICY_REASONS = (POLICY_OPEN, POLICY_CLOSED, POLICY_BLIND_MAX, UNKNOWN_ACCOUNT)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Whether a call may connect, and with which paid features. `reason` is the engine's, or names the policy."""

    decision: Literal["allow", "redirect"]
    reason: str
    source: Literal["engine", "policy"]
    features_enabled: tuple[str, ...] = ()
    hold_micros: int = 0
    redirect_to: str | UnsetType = UNSET

    @property
    def kept(self) -> bool:
        """Whether the answer holds when the call is asked about again. The engine keeps no trace of the others, and of
        a call that was reported before, the decision may still be found.
        """
        return self.reason not in UNKEPT_REASONS and self.reason != ALREADY_REPORTED


# The call was reported before, and this start has changed nothing: whoever reported it has its decision.
REPORTED = Decision(ALLOW, ALREADY_REPORTED, ENGINE)


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the answer."""

    call_id: str
    decision: str
    reason: str
    features_enabled: tuple[str, ...]
    hold_micros: int
    redirect_to: str | UnsetType = UNSET
    source: str
    logged: bool
    decided_in_ms: int


class _Event(msgspec.Struct, frozen=True, gc=False):
    type: str
    call_id: str
    reason: str
    caused_by: str | None = None
    features_enabled: tuple[str, ...] = ()
    hold_micros: int = 0
    redirect_to: str | UnsetType = UNSET


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision of the engine, the call that it is about, and the id of the start that it answers."""

    call_id: str
    caused_by: str | None
    decision: Decision


_decode = msgspec.json.Decoder(_Event).decode
_DECISIONS: Mapping[str, Literal["allow", "redirect"]] = {"call-admitted": ALLOW, "call-redirected": REDIRECT}


def read_decided(value: bytes) -> Decided | None:
    """The decision in an event of `call-decisions`. None for what the engine has not written."""
    try:
        event = _decode(value)
    except msgspec.MsgspecError:
        return None
    decision = _DECISIONS.get(event.type)
    if decision is None:
        return None
    found = Decision(decision, event.reason, ENGINE, event.features_enabled, event.hold_micros, event.redirect_to)
    return Decided(event.call_id, event.caused_by, found)
