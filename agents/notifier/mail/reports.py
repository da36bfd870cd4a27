"""How often the operator hears of one address that refuses mail."""

import time
from collections import OrderedDict
from collections.abc import Callable

REPORT_EVERY_S = 3_600.0
# Addresses remembered; beyond it the one reported longest ago is forgotten, and may be reported again within the hour.
ADDRESSES_MAX = 10_000


class Reports:
    """At most one report an hour for each address. `now` gives seconds that only grow."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._reported: OrderedDict[str, float] = OrderedDict()

    def claim(self, address: str) -> bool:
        """Whether the address may be reported now; if so, not again within the hour."""
        now, key = self._now(), address.casefold()
        last = self._reported.get(key)
        if last is not None and now - last < REPORT_EVERY_S:
            return False
        self._reported[key] = now
        self._reported.move_to_end(key)
        if len(self._reported) > ADDRESSES_MAX:
            self._reported.popitem(last=False)
        return True

    def release(self, address: str) -> None:
        """The report was not sent: the next refusal may be reported."""
        self._reported.pop(address.casefold(), None)
