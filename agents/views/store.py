"""The views' Redis: one pipeline for each batch of events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from agents.views import layout
from agents.views.expected import Held
from agents.views.layout import Limits, Write
from stream.fail_stop import PersonNeededError
from stream.redis_connection import AwayError, Command, Script, raise_for, run

RETRY_S = 0.2
# Most events in one pipeline: Redis answers it well within the time-out.
PIPELINE_WRITES_MAX = 500
POLICY = "noeviction"
_KEYS_PER_STEP = 1_000
_TRIMMING = "lua/trimming.lua"
_APPLY = Script.read("agents.views", _TRIMMING, "lua/apply.lua")
_TRIM = Script.read("agents.views", _TRIMMING, "lua/trim.lua")
_ADVANCE = Script.read("agents.views", "lua/advance.lua")
_BEGIN = Script.read("agents.views", "lua/begin.lua")
_SCRIPTS = (_APPLY, _TRIM, _ADVANCE, _BEGIN)


class LostError(Exception):
    """Redis is not the one that was written to, or it was emptied; the message says which."""


class Store:
    """The commands of the views. Every method raises AwayError and PersonNeededError.

    Without an answer from Redis a command is repeated for `patience_s`: every command may be repeated.
    """

    def __init__(self, client: Any, patience_s: float = 0.0) -> None:
        self._client, self._patience_s = client, patience_s

    async def close(self) -> None:
        await self._client.aclose(close_connection_pool=True)

    async def checked_run_id(self) -> str:
        """The run id. Raises PersonNeededError where Redis may evict keys: an evicted key is a hole."""
        server, memory = await self.run([("INFO", "server"), ("INFO", "memory")])
        policy = memory.get("maxmemory_policy", POLICY)
        if policy != POLICY:
            raise PersonNeededError(f"Redis: maxmemory-policy is {policy}, must be {POLICY}: keys may not be evicted")
        return str(server["run_id"])

    async def run_id(self) -> str:
        """Names the Redis that answers: it changes with each start and with a fail-over."""
        return str((await self.run([("INFO", "server")]))[0]["run_id"])

    async def meta(self) -> dict[bytes, bytes]:
        return dict((await self.run([("HGETALL", layout.META)]))[0])

    async def begin(self, seen: bytes, epoch: bytes, fields: Mapping[bytes, bytes]) -> bytes:
        """Begin `epoch` in place of the one that was `seen`, empty for none. Returns the epoch in force."""
        pairs = [part for pair in fields.items() for part in pair]
        return bytes((await self.run([_BEGIN.call([layout.META], [seen, epoch, *pairs])]))[0])

    async def advance(self, epoch: bytes, fields: Mapping[bytes, bytes | int]) -> None:
        """Write fields of the meta hash; an empty value removes one. Raises LostError when the epoch is another."""
        pairs = [part for pair in fields.items() for part in pair]
        if not (await self.run([_ADVANCE.call([layout.META], [epoch, *pairs])]))[0]:
            raise LostError("Redis was emptied, or reading began again")

    async def write(self, topic: str, name: str, partition: int, writes: list[Write], keep: Limits) -> str:
        """Apply events of one partition of the contract's `topic`. Returns the run id of the Redis that has them."""
        accounts = layout.by_account(writes)
        calls = [_APPLY.call(*layout.script_call(topic, name.encode(), some, keep)) for some in accounts.values()]
        members = [part for account in accounts for part in (0, account)]
        results = await self.run([*calls, ("ZADD", accounts_key(partition), *members), ("INFO", "server")])
        return str(results[-1]["run_id"])

    async def trim(self, partition: int, keep: Limits) -> int:
        """Remove what is no longer kept, from every account of the partition. Returns the accounts."""
        count = 0
        async for accounts in self.accounts(partition):
            calls = []
            for account in accounts:
                kept = [layout.list_key(account, topic) for topic in layout.LISTS if topic != layout.INVOICES]
                keys = [layout.account_key(account, b"calls"), *kept]
                rule: list[bytes | int] = [
                    keep.rows,
                    keep.cutoff_text.encode(),
                    keep.cutoff_ms,
                    layout.call_key(account, b""),
                ]
                calls.append(_TRIM.call(keys, rule))
            await self.run(calls)
            count += len(accounts)
        return count

    async def accounts(self, partition: int) -> AsyncIterator[dict[bytes, float]]:
        """The accounts of the partition with their scores, in parts."""
        cursor: Any = 0
        while True:
            # Written out: the client's own parsing would turn the scores into floats, which nobody needs.
            scan = ("ZSCAN", accounts_key(partition), cursor, "COUNT", _KEYS_PER_STEP)
            cursor, found = (await self.run([scan], nothing_of_another_type))[0] or (0, ())
            if found:
                yield {account: float(score) for account, score in found}
            if int(cursor) == 0:
                return

    async def held(self, accounts: list[bytes]) -> list[Held]:
        """What is held of each of the accounts: nothing by a key of another type than the layout's."""
        commands: list[tuple[Any, ...]] = []
        for account in accounts:
            commands += [
                ("GET", layout.account_key(account, b"snapshot")),
                ("HGETALL", layout.account_key(account, b"at")),
            ]
            commands += [("ZRANGE", layout.list_key(account, topic), 0, -1, "WITHSCORES") for topic in layout.LISTS]
            commands.append(("ZRANGE", layout.account_key(account, b"calls"), 0, -1, "WITHSCORES"))
        answers, step = await self.run(commands, nothing_of_another_type), 3 + len(layout.LISTS)
        found = []
        for n, account in enumerate(accounts):
            snapshot, at, *lists, calls = answers[n * step : (n + 1) * step]
            members = {topic: _scores(pairs) for topic, pairs in zip(layout.LISTS, lists, strict=True)}
            found.append(Held(snapshot, dict(at or ()), members, _scores(calls), {}))
            every = list(found[-1].calls)
            for first in range(0, len(every), _KEYS_PER_STEP):
                ids = every[first : first + _KEYS_PER_STEP]
                asked = [("HGETALL", layout.call_key(account, call_id)) for call_id in ids]
                fields = await self.run(asked, nothing_of_another_type)
                found[-1].hashes.update((call_id, dict(some or ())) for call_id, some in zip(ids, fields, strict=True))
        return found

    async def keys(self) -> AsyncIterator[list[bytes]]:
        """Every key below the views' prefix but the meta hash, in parts; those of the gateway are left out."""
        cursor: Any = 0
        while True:
            found = await self.run([("SCAN", cursor, "MATCH", layout.PREFIX + b"*", "COUNT", _KEYS_PER_STEP)])
            cursor, keys = found[0]
            yield [key for key in keys if key != layout.META and not key.startswith(layout.GATEWAY)]
            if int(cursor) == 0:
                return

    async def wipe(self) -> None:
        """Remove what another cluster's topics, or earlier ones, have left."""
        async for keys in self.keys():
            await self.run([("UNLINK", key) for key in keys])

    async def run(self, commands: Iterable[Command], on_error: Callable[[Exception], Any] | None = None) -> list[Any]:
        """Send the commands in one pipeline and return their answers; `on_error` as for `redis_connection.run`."""
        commands = list(commands)
        deadline_s = monotonic() + self._patience_s
        while commands:
            try:
                return await run(self._client, commands, _SCRIPTS, on_error)
            except AwayError:
                if monotonic() > deadline_s:
                    raise
            await asyncio.sleep(RETRY_S)
        return []


def _scores(pairs: Any) -> dict[bytes, int]:
    return {bytes(member): int(score) for member, score in pairs or ()}


def nothing_of_another_type(error: Exception) -> None:
    """In place of the answer about a key that somebody has given another type."""
    if not str(error).startswith("WRONGTYPE"):
        raise_for(error)


def accounts_key(partition: int) -> bytes:
    return layout.ACCOUNTS + str(partition).encode()
