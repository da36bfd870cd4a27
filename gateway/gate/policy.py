"""What the gate answers when the engine has not answered in time."""

from collections import Counter
from typing import Literal

from gateway.gate.decision import (
    ALLOW,
    POLICY,
    POLICY_BLIND_MAX,
    POLICY_CLOSED,
    POLICY_OPEN,
    REDIRECT,
    UNKNOWN_ACCOUNT,
    Decision,
)
from schemas.instant import MINUTE_MS

OPEN = Decision(ALLOW, POLICY_OPEN, POLICY)
CLOSED = Decision(REDIRECT, POLICY_CLOSED, POLICY)
BLIND_MAX = Decision(REDIRECT, POLICY_BLIND_MAX, POLICY)
NO_SUCH_ACCOUNT = Decision(REDIRECT, UNKNOWN_ACCOUNT, POLICY)


class BlindLimits:
    """How many calls were allowed blind in this minute of the clock, by key and by account. A limit of 0 is none."""

    def __init__(self, per_key: int, per_account: int) -> None:
        self._per_key, self._per_account = per_key, per_account
        self._minute = -1
        self._by_key: Counter[str] = Counter()
        self._by_account: Counter[str] = Counter()

    def take(self, key_id: str, account_id: str, now_ms: int) -> bool:
        """Count one more call, unless that passes a limit: then nothing is counted, and it must be redirected."""
        minute = now_ms // MINUTE_MS
        # The minute before counts as this one: a clock that is set back a little begins no minute twice.
        if minute not in {self._minute, self._minute - 1}:
            self._minute = minute
            self._by_key.clear()
            self._by_account.clear()
        if self._per_key and self._by_key[key_id] >= self._per_key:
            return False
        if self._per_account and self._by_account[account_id] >= self._per_account:
            return False
        self._by_key[key_id] += 1
        self._by_account[account_id] += 1
        return True


class Policy:
    """TOLLGATE_GATE_POLICY within the blind limits."""

    def __init__(self, name: Literal["open", "closed"], limits: BlindLimits) -> None:
        self._name, self._limits = name, limits

    def decide(self, key_id: str, account_id: str, now_ms: int, *, no_such_account: bool) -> Decision:
        """The answer to a call that the engine has not decided. It enables no paid feature.

        `no_such_account`: what the log held seconds ago shows no account of this id.
        """
        if self._name == "closed":
            return CLOSED
        if no_such_account:
            return NO_SUCH_ACCOUNT
        return OPEN if self._limits.take(key_id, account_id, now_ms) else BLIND_MAX
