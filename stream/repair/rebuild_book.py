"""A partition's book that decides its inputs again and compares every fact with the published one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

from agents.wallet.book import Book
from agents.wallet.clock import Timing, Work
from agents.wallet.decide import decide
from agents.wallet.expire import expire_row, is_forgotten
from agents.wallet.turn import Decision, Refusal, View
from schemas.account import Account
from schemas.call import Call
from schemas.facts import Charge, encode_fact
from schemas.inputs import AnyInput, CallEnded, CallStarted
from schemas.plan import AnyPlan, Catalogue, CreditsPlan
from schemas.rows import call_key, due_of
from stream.repair.published import Match, Published

_NOT_PUBLISHED = Refusal("not_published", "none of its events was published")

Rule = Callable[[View], Decision | Refusal]


class _Evidence(Enum):
    """What the published facts show about an input whose dead letter may be deleted."""

    ACCEPTED = auto()
    REFUSED = auto()
    NONE = auto()  # It has no fact on a topic that is whole.


class RebuildBook(Book):
    """`confirmed` is set once a decision is known to have been published. `difference` describes the first fact that
    differs from the published one. The caller resets `confirmed`.

    The catalogue in force follows the published facts: it changes when a fact or a snapshot names another version, or
    when the facts of a decision match the published ones only under another version.
    """

    def __init__(
        self, catalogues: Mapping[int, Catalogue], version: int, rows: dict[str, bytes], published: Published
    ) -> None:
        self.confirmed = False
        self.difference = ""
        self.letter_gone = False
        self.charged_micros: Counter[str] = Counter()
        self.given_back_micros: Counter[str] = Counter()
        self.unsure_calls: set[str] = set()
        self._started_unsure: set[str] = set()
        self._catalogues = catalogues
        self._published = published
        # By ticks: the dead letters show which ticks were refused.
        super().__init__(catalogues[version], rows, Timing(by_ticks=True))

    def work_published(self) -> None:
        """Do the timed work that is known to be done, from what was published. Other overdue work stays due: the next
        worker publishes its facts.
        """
        timed = self._timed
        waiting: list[Work] = []
        blocked: set[str] = set()
        while timed.overdue:
            work = timed.take_first()
            if work is None:
                continue
            account_id = work.key.partition("/")[0]
            if account_id in blocked or not self._is_published(work):
                # An account's work is done in order, so no later work of this account was done either.
                waiting.append(work)
                blocked.add(account_id)
            else:
                self._do(work)
        for work in waiting:
            timed.add(work.key, due_of(work.row), by_input=False)
        timed.forget_ticks()

    def _is_published(self, work: Work) -> bool:
        """Whether the work publishes nothing, or was published."""
        if is_forgotten(work):
            return True
        decision = expire_row(self, work)
        return self._is_known(decision) or any(
            self._is_known(expire_row(_OtherCatalogue(self, catalogue), work)) for catalogue in self._others()
        )

    def _decide(self, event: AnyInput, _now_ms: int | None) -> Decision | Refusal:
        def rule(view: View) -> Decision | Refusal:
            return decide(view, event, None, check_time=False)

        version, decision = self.catalogue.version, rule(self)
        if isinstance(decision, Decision) and decision.repeat:
            # Its facts name the version in force when it was first decided.
            return decision
        if self.letter_gone and isinstance(decision, Decision):
            refusal = decide(self, event, self.clock_ms)
            evidence = self._evidence(decision, rule)
            if evidence is _Evidence.REFUSED or (evidence is _Evidence.NONE and isinstance(refusal, Refusal)):
                return refusal if isinstance(refusal, Refusal) else _NOT_PUBLISHED
        named = self._named_version(event)
        if named is not None and named in self._catalogues:
            self._switch_to(self._catalogues[named])
        elif isinstance(event, CallStarted):
            self._started_unsure.add(call_key(event.account_id, event.call_id))
        return self._decide_as_published(rule, decision if self.catalogue.version == version else None)

    def _expire(self, work: Work) -> Decision:
        decision = self._decide_as_published(lambda view: expire_row(view, work))
        assert isinstance(decision, Decision)
        return decision

    def _evidence(self, decision: Decision, rule: Rule) -> _Evidence:
        """Look for the input's facts on topics that are whole, under any of the catalogues."""
        if not any(topic in self._published.whole for fact in decision.facts for topic in fact.topics):
            return _Evidence.NONE
        views: list[View] = [self, *(_OtherCatalogue(self, catalogue) for catalogue in self._others())]
        accepted = any(self._is_published_unchanged(rule(view)) for view in views)
        return _Evidence.ACCEPTED if accepted else _Evidence.REFUSED

    def _is_published_unchanged(self, decision: Decision | Refusal) -> bool:
        """Whether a fact of the decision was published with these bytes, on a topic that is whole."""
        return isinstance(decision, Decision) and any(
            self._published.compare(topic, fact.id, encode_fact(fact)) is Match.SAME
            for fact in decision.facts
            for topic in fact.topics
            if topic in self._published.whole
        )

    def _switch_to(self, catalogue: Catalogue) -> None:
        """Use a version that is known to be in force now. Where the previous one ended is not known."""
        if catalogue.version != self.catalogue.version:
            self.unsure_calls |= self._started_unsure
            self.use(catalogue)
        self._started_unsure.clear()

    def _named_version(self, event: AnyInput) -> int | None:
        """The catalogue version in force when this input was decided, if a published fact or snapshot names it."""
        if len(self._catalogues) == 1:
            return None
        if isinstance(event, CallStarted | CallEnded):
            known = self.get(call_key(event.account_id, event.call_id))
            if not isinstance(known, Call):
                return self._published.version_at_start(event.account_id, event.call_id)
        return self._published.version_at(event.account_id, event.id)

    def _decide_as_published(self, rule: Rule, decision: Decision | Refusal | None = None) -> Decision | Refusal:
        """The rule's decision under the catalogue version whose facts match the published ones. `decision` is the one
        under the version in force, if already known.
        """
        decision = decision or rule(self)
        difference = self._difference(decision)
        if difference or isinstance(decision, Refusal):
            for catalogue in self._others():
                other = rule(_OtherCatalogue(self, catalogue))
                if isinstance(other, Decision) and not self._difference(other) and self._is_known(other):
                    self._switch_to(catalogue)
                    decision, difference = other, ""
                    break
        self.difference = self.difference or difference
        self._confirm(decision)
        return decision

    def _others(self) -> Sequence[Catalogue]:
        """The other versions, later ones first: catalogues are rarely rolled back."""
        now = self.catalogue.version
        return [
            self._catalogues[v] for v in sorted(self._catalogues, key=lambda v: (v < now, abs(v - now))) if v != now
        ]

    def _difference(self, decision: Decision | Refusal) -> str:
        """The first fact that differs from the published one; empty if all are the same, or deleted by retention."""
        if isinstance(decision, Refusal):
            return ""
        for fact in decision.facts:
            value = encode_fact(fact)
            for topic in fact.topics:
                match = self._published.compare(topic, fact.id, value)
                if match is Match.DIFFERENT:
                    return f"the event {fact.id!r} of {topic} was published with other bytes"
                if match is Match.MISSING and topic in self._published.whole:
                    return f"the event {fact.id!r} was not published on {topic}"
        return ""

    def _is_known(self, decision: Decision) -> bool:
        """Whether the decision was made before: one of its facts was published, or a snapshot of the account with at
        least its version.
        """
        for key, row in decision.rows.items():
            if isinstance(row, Account):
                snapshot = self._published.snapshots.get(key)
                if snapshot is not None and row.version <= snapshot.version:
                    return True
        return any(self._published.contains(topic, fact.id) for fact in decision.facts for topic in fact.topics)

    def _confirm(self, decision: Decision | Refusal) -> None:
        """Remove the decision's facts from the published ones, and count its charges."""
        if isinstance(decision, Refusal):
            return
        self.confirmed = self.confirmed or self._is_known(decision)
        for fact in decision.facts:
            value = encode_fact(fact)
            for topic in fact.topics:
                self._published.remove(topic, fact.id, value)
            if isinstance(fact, Charge):
                counter = self.given_back_micros if fact.amount_micros < 0 else self.charged_micros
                counter[fact.currency] += abs(fact.amount_micros)


class _OtherCatalogue:
    """The book as the rules read it under another catalogue. Reading it does not change the book."""

    def __init__(self, book: Book, catalogue: Catalogue) -> None:
        self._book = book
        self.catalogue = catalogue
        self.clock_ms = book.clock_ms
        self.get, self.is_seen, self.ranked, self.unanswered = book.get, book.is_seen, book.ranked, book.unanswered

    def terms(self, plan: str, version: int, currency: str) -> AnyPlan:
        offer = self.catalogue.plans.get(plan) if version == self.catalogue.version else None
        priced = None if offer is None else offer.priced_in(currency)
        return self._book.terms(plan, version, currency) if priced is None else priced

    def allowances(self) -> Sequence[int]:
        own = {plan.included_calls for plan in self.catalogue.plans.values() if isinstance(plan, CreditsPlan)}
        return tuple(sorted({*self._book.allowances(), *own}))
