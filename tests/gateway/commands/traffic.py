"""Commands sent without a pause while something else happens, each with a check of what became of it."""

import http.client
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from tests.gateway.stage import GatewayStage, Reply
from tests.lane.stage import wait_until

MICROS = 1_000_000
# Of so many grants to an account one is followed by a command that the engine refuses, and one is sent again.
EVERY = 4
OUTCOME_WITHIN_S = 90
WITHOUT_OUTCOME = frozenset({202, 503})


class Sender:
    """Sends grants to one account, one after the other, each until it has an outcome. Among them are commands that the
    account's state refuses, and grants that are sent again after Redis has forgotten them.
    """

    def __init__(self, stage: GatewayStage, account: str) -> None:
        self._stage, self._account = stage, account
        self.granted, self.sent_again = 0, 0

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`. Raises AssertionError for a wrong outcome."""
        for number in count():
            if stopping.is_set():
                return
            self._grant(number)
            if number % EVERY == 1:
                refused = self._settle("plan-change-requested", {"plan": "no-such-plan", "id": f"refused-{number}"})
                assert (refused.status, refused.code) == (422, "unknown_plan"), refused
            if number % EVERY == 2:
                self._grant_again(number)

    def _grant(self, number: int) -> None:
        before = self.sent_again
        reply = self._settle("credits-granted", self._body(number))
        assert reply.status == 200, reply
        self.granted += 1
        answer = reply.json()
        if answer["outcome"] == "accepted":
            assert [fact["balance_after_micros"] for fact in answer["facts"]] == [self.granted * MICROS], reply
        else:  # Sent again, it found that the first one had taken effect.
            assert self.sent_again > before, reply

    def _grant_again(self, number: int) -> None:
        self._stage.redis.delete(f"tg:1:gw:{{{self._account}}}:signed:in-{number}")
        reply = self._settle("credits-granted", self._body(number))
        assert (reply.status, reply.json()["outcome"], reply.json()["facts"]) == (200, "repeat", []), reply

    def _settle(self, kind: str, body: dict[str, Any]) -> Reply:
        """The outcome. What is pending, unavailable or left without an answer is sent again with its id, to the newest
        gateway.
        """
        replies: list[Reply] = []

        def has_outcome() -> bool:
            path, gateway = f"/v1/accounts/{self._account}/{kind}", self._stage.gateways[-1]
            # A gateway that is killed gives no answer.
            with suppress(OSError, http.client.HTTPException):
                replies.append(self._stage.post(path, body, gateway=gateway))
            if replies and replies[-1].status not in WITHOUT_OUTCOME:
                return True
            self.sent_again += 1
            return False

        wait_until(has_outcome, f"the outcome of {kind} {body['id']}", OUTCOME_WITHIN_S)
        return replies[-1]

    @staticmethod
    def _body(number: int) -> dict[str, Any]:
        return {"id": f"in-{number}", "grant_id": f"grant-{number}", "amount_micros": MICROS, "reason": "traffic"}


@contextmanager
def traffic(stage: GatewayStage, accounts: Sequence[str]) -> Iterator[list[Sender]]:
    """Sends to all accounts at the same time. Raises at its end what a sender has found."""
    senders, stopping = [Sender(stage, account) for account in accounts], threading.Event()
    with ThreadPoolExecutor(len(senders)) as pool:
        running = [pool.submit(sender.run, stopping) for sender in senders]
        try:
            yield senders
        finally:
            stopping.set()
    for one in running:
        one.result()


def grants(senders: Sequence[Sender]) -> int:
    """How many took effect so far."""
    return sum(sender.granted for sender in senders)
