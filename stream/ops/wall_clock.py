"""Compares this machine's wall clock with the broker's. Rule G2."""

# Synchronised machines differ by milliseconds, busy ones by somewhat more. A tick may be a minute ahead of its broker
# timestamp, so this limit is far from both.
DISAGREES_MS = 5_000
# A clock that was set is detected at once (SET_MS); one that was corrected gradually only by another tick.
RECHECK_AFTER_S = 600.0
SET_MS = 1_000


class WallClock:
    """The comparison so far, from answers and records.

    `agrees` is None while unknown. `ahead_ms` is a lower bound of how far the wall clock is ahead of the broker's,
    negative when it is behind, and 0 as long as both may be equal.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.agrees: bool | None = None
        self._recorded_s = 0.0
        self._offset_ms = 0

    def acknowledged(self, sent_ms: int, broker_ms: int, acked_ms: int, now_s: float) -> None:
        """Compare the broker timestamp of a record with the wall-clock times of its sending and acknowledgement.

        The clocks agree when it lies between the two, however long the record waited.
        """
        ahead_ms = sent_ms - broker_ms if broker_ms < sent_ms else min(0, acked_ms - broker_ms)
        self._record(ahead_ms, now_s, acked_ms)

    def check(self, now_s: float, now_ms: int, newest_ms: int | None) -> None:
        """Compare with the newest fetched broker timestamp: no record is from the future. After a disagreement, forget
        it once the wall clock was set or `RECHECK_AFTER_S` has passed.
        """
        was_set = abs(_offset_ms(now_ms, now_s) - self._offset_ms) > SET_MS
        if self.agrees is False and (was_set or now_s - self._recorded_s > RECHECK_AFTER_S):
            self.agrees, self.ahead_ms = None, 0
        if newest_ms is not None and newest_ms - now_ms > DISAGREES_MS:
            self._record(now_ms - newest_ms, now_s, now_ms)

    def _record(self, ahead_ms: int, now_s: float, now_ms: int) -> None:
        self.ahead_ms = ahead_ms
        self.agrees = abs(ahead_ms) <= DISAGREES_MS
        self._recorded_s = now_s
        self._offset_ms = _offset_ms(now_ms, now_s)


def _offset_ms(now_ms: int, now_s: float) -> int:
    """The difference between the wall clock and the monotonic clock, which is never set."""
    return now_ms - int(now_s * 1_000)
