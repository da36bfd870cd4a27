"""On which plan an account was, from the events that say so."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping

from backoffice.documents.facts import Invoice, Line
from backoffice.report.facts import Charge, Fact, Snapshot
from schemas.instant import parse_instant

UNKNOWN = "unknown"
# How the description of a fee or proration goes on after the plan's name.
_AFTER_NAME = (", monthly fee", ", yearly fee", ", unused part: ", ", rest of the term: ")

_BY_CHARGE, _BY_INVOICE, _BY_SNAPSHOT = range(3)  # Of one moment the last is believed.
Seen = tuple[int, int, str]


class PlansSeen:
    """Collects which plan an account was seen on and when. `names` gives the plan of a display name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._seen: dict[str, list[Seen]] = defaultdict(list)
        self._sorted = False

    def add(self, at_ms: int, fact: Fact) -> None:
        """Calls count from their start: they keep the plan of their start. Superseded snapshots may be compacted away,
        so calls and the fees on invoices count as well.
        """
        match fact:
            case Charge():
                self._note(fact.account_id, (int(parse_instant(fact.receipt.started_at)), _BY_CHARGE, fact.plan))
            case Snapshot():
                self._note(fact.account_id, (at_ms, _BY_SNAPSHOT, fact.plan))
            case Invoice():
                for line in fact.lines:
                    plan = self.of_line(line)
                    if plan is not None and line.amount_micros >= 0:
                        start_ms, end_ms = (int(parse_instant(at)) for at in (fact.period_start, fact.period_end))
                        seen_ms = start_ms if line.kind == "subscription" else end_ms - 1
                        self._note(fact.account_id, (seen_ms, _BY_INVOICE, plan))
            case _:
                pass

    def of_line(self, line: Line) -> str | None:
        """The plan that a fee or proration names; None for any other line."""
        for after in _AFTER_NAME if line.kind in {"subscription", "proration"} else ():
            name, found, _ = line.description.rpartition(after)
            if found:
                return self._names.get(name, name)
        return None

    def at(self, account_id: str, at_ms: int) -> str:
        """The plan that the account was last seen on until then, else the first that it was seen on."""
        if not self._sorted:
            for seen in self._seen.values():
                seen.sort()
            self._sorted = True
        seen = self._seen.get(account_id, [])
        if not seen:
            return UNKNOWN
        return seen[max(0, bisect_right(seen, (at_ms, _BY_SNAPSHOT, "\U0010ffff")) - 1)][2]

    def _note(self, account_id: str, new: Seen) -> None:
        """The same plan again is not kept, as long as the events come in order."""
        seen = self._seen[account_id]
        if not seen or seen[-1][2] != new[2] or seen[-1][0] > new[0]:
            seen.append(new)
            self._sorted = False
