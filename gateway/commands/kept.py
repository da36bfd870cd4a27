"""What Redis keeps of commands for a day: whose id it is, what was sent, where it is in the log, and the answer."""

from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from redis import exceptions

from agents.views.layout import META, account_key, position_field
from gateway import kept_keys
from gateway.log.reader import Begin
from gateway.log.writer import Address
from schemas.inputs import moves_money
from schemas.instant import DAY_MS, SECOND_MS
from stream.redis_connection import Client, Script, raise_away, run

KEPT_MS: Final = DAY_MS
# A request that neither ends nor renews its claim for this long has died with its gateway.
LEASE_MS: Final = 10 * SECOND_MS
WRITING, WRITTEN, DONE, REFUSED = "writing", "written", "done", "refused"
MINE, BUSY, OTHER, LEFT = "mine", "busy", "other", "left"
_CLAIM, _KEEP = Script.read("gateway.commands", "claim.lua"), Script.read("gateway.commands", "keep.lua")


class Claim(msgspec.Struct, frozen=True):
    """A request for an id. `hash` is of the value as sent, `occurred` its time as sent, empty when it was left out."""

    account_id: str
    input_id: str
    type: str
    hash: str
    occurred: str
    owner: str
    timed_here: int

    @property
    def key(self) -> bytes:
        return record_key(self.account_id, self.input_id, signed=moves_money(self.type))


class Record(msgspec.Struct, frozen=True):
    """What is kept of an input: its address and `answer` when it is done, `code` and `message` when it was refused,
    and while its outcome takes longer its address and `begin`, from where on the outcome is to be found.
    """

    type: str
    hash: str
    occurred: str
    state: str
    until: int = 0
    partition: int = -1
    offset: int = -1
    begin: str = ""
    timed_here: int = 0
    answer: str = ""
    code: str = ""
    message: str = ""


def where_is(record: Record) -> tuple[Address, Begin]:
    """The address of a written input, and from where on its outcome is to be found."""
    return (
        Address(record.partition, record.offset),
        Begin(record.partition, tuple(int(offset) for offset in record.begin.split(","))),
    )


def record_key(account_id: str, input_id: str, *, signed: bool) -> bytes:
    """An id is unique per account and class: the signed inputs are one, all others the other."""
    return kept_keys.account_key(account_id, f"{'signed' if signed else 'input'}:{input_id}").encode()


class Kept:
    """The records of commands. Every method raises AwayError."""

    def __init__(self, redis: Client) -> None:
        self._redis: Any = redis

    async def claim(self, claim: Claim) -> str:
        """`mine`: the caller now writes it; `left`: it is written, and the caller now waits for its outcome; `busy`:
        another request does; `done`: see `find`; `other`: the id stands for something else.
        """
        answer: bytes = await self._run(_CLAIM, claim.key, *_claim_arguments(claim), "")
        return answer.decode()

    async def claim_left(self, claim: Claim) -> bool:
        """Claim an input only if it is written and nobody waits for its outcome."""
        answer: bytes = await self._run(_CLAIM, claim.key, *_claim_arguments(claim), LEFT)
        return answer.decode() == LEFT

    async def release(self, claim: Claim) -> None:
        """Let another request for the same input write it: whether it is in the log is not known."""
        await self._note(claim, 0, "state", WRITING)

    async def written(self, claim: Claim, address: Address, begin: Begin) -> None:
        """Keep the claim for another while, and where the input and its outcome are."""
        where = ("partition", address.partition, "offset", address.offset, "begin", ",".join(map(str, begin.offsets)))
        await self._note(claim, LEASE_MS, "state", WRITTEN, *where)

    async def done(self, claim: Claim, address: Address, answer: bytes) -> None:
        where = ("partition", address.partition, "offset", address.offset)
        await self._note(claim, 0, "state", DONE, *where, "answer", answer)

    async def refused(self, claim: Claim, code: str, message: str) -> None:
        """Forget the claim: the id is free again. Why it was refused can still be read."""
        await self._note(claim, 0, "state", REFUSED, "code", code, "message", message)

    async def find(self, key: bytes) -> Record | None:
        try:
            found = await self._redis.hgetall(key)
        except (exceptions.RedisError, OSError) as error:
            raise_away(error)
        if not found:
            return None
        fields = {name.decode(): value.decode() for name, value in found.items()}
        return msgspec.convert(fields, Record, strict=False)

    async def snapshot(self, account_id: str) -> bytes | None:
        """The account's snapshot as the views have it."""
        try:
            found: bytes | None = await self._redis.get(account_key(account_id.encode(), b"snapshot"))
        except (exceptions.RedisError, OSError) as error:
            raise_away(error)
        return found

    async def next_offset(self, place: TopicPartition) -> int | None:
        """Up to where the views have read; None when they have not."""
        try:
            found: bytes | None = await self._redis.hget(META, position_field(place.topic, place.partition))
        except (exceptions.RedisError, OSError) as error:
            raise_away(error)
        return None if found is None else int(found)

    async def _note(self, claim: Claim, lease_ms: int, *fields: bytes | str | int) -> None:
        what = ("type", claim.type, "hash", claim.hash, "occurred", claim.occurred, "timed_here", claim.timed_here)
        await self._run(_KEEP, claim.key, claim.owner, lease_ms, KEPT_MS, *what, *fields)

    async def _run(self, script: Script, key: bytes, *arguments: bytes | str | int) -> Any:
        [answer] = await run(self._redis, [script.call([key], arguments)], [script], raise_away)
        return answer


def _claim_arguments(claim: Claim) -> tuple[str | int, ...]:
    return (claim.type, claim.hash, claim.occurred, claim.timed_here, claim.owner, LEASE_MS, KEPT_MS)
