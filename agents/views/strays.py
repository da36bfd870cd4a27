"""Finds keys of Redis that belong to no account or call that the topics know, that the layout does not have, or that
have another type than the layout's.
"""

from collections.abc import AsyncIterator, Mapping

from agents.views import layout
from agents.views.expected import NOTHING, Difference, Place, offset_at
from agents.views.store import Store, nothing_of_another_type
from schemas.partitioning import partition_of

CALL = b"call:"
_TOPICS = {name.encode(): topic for topic, name in layout.LISTS.items()} | {b"snapshot": layout.SNAPSHOTS}
_NAMES = {*_TOPICS, b"at", b"calls"}
_WORDS = {b"string": "a string", b"hash": "a hash", b"zset": "a sorted set", b"list": "a list", b"set": "a set"}


async def find_wrong_types(store: Store, places: Mapping[int, Mapping[str, Place]]) -> AsyncIterator[Difference]:
    """Keys that the layout has with another type."""
    async for keys in store.keys():
        for key, found in zip(keys, await store.run([("TYPE", key) for key in keys]), strict=True):
            expected = _type_of(key)
            if expected and found not in {expected, b"none"}:
                yield _difference(key, places, _WORDS[expected], _WORDS.get(found, "another type"))


def _type_of(key: bytes) -> bytes:
    """The type that the layout gives a key; empty for a key that it does not have."""
    name = _name(key)
    if key.startswith(layout.ACCOUNTS):
        return b"zset"
    if name == b"snapshot":
        return b"string"
    if name == b"at" or name.startswith(CALL):
        return b"hash"
    return b"zset" if name in _NAMES else b""


async def find_strays(
    store: Store, known: set[bytes], places: Mapping[int, Mapping[str, Place]]
) -> AsyncIterator[Difference]:
    """`known` are the accounts that were compared. A key of an account that came meanwhile is none of these."""
    async for keys in store.keys():
        unknown: list[bytes] = []
        hashes: list[bytes] = []
        for key in keys:
            account, name = layout.account_of(key), _name(key)
            if key.startswith(layout.ACCOUNTS):
                number = key.removeprefix(layout.ACCOUNTS)
                if not number.isdigit() or int(number) not in places:
                    yield _stray(key, places)
            elif account not in known:
                unknown.append(key)
            elif name.startswith(CALL):
                hashes.append(key)
            elif name not in _NAMES:
                yield _stray(key, places)
        for key in [*await _of_no_call(store, hashes), *await _of_no_account(store, unknown, places)]:
            yield _stray(key, places)


async def _of_no_call(store: Store, hashes: list[bytes]) -> list[bytes]:
    """The hashes whose call is not in `calls`, and that are still there: a call may be trimmed meanwhile."""
    calls = [
        ("ZSCORE", layout.account_key(layout.account_of(key), b"calls"), _name(key).removeprefix(CALL))
        for key in hashes
    ]
    scores = await store.run(calls, nothing_of_another_type)
    lost = [key for key, score in zip(hashes, scores, strict=True) if score is None]
    present = await store.run([("EXISTS", key) for key in lost])
    return [key for key, there in zip(lost, present, strict=True) if there]


async def _of_no_account(store: Store, keys: list[bytes], places: Mapping[int, Mapping[str, Place]]) -> list[bytes]:
    accounts = sorted({layout.account_of(key) for key in keys})
    asked = [("HGETALL", layout.account_key(account, b"at")) for account in accounts]
    applied = await store.run(asked, nothing_of_another_type)
    newer = {
        account
        for account, at in zip(accounts, applied, strict=True)
        if any(offset_at(at or {}, place.topic) >= place.end for place in _places_of(account, places).values())
    }
    return [key for key in keys if layout.account_of(key) not in newer]


def _name(key: bytes) -> bytes:
    return key.partition(b"}:")[2]


def _places_of(account: bytes, places: Mapping[int, Mapping[str, Place]]) -> Mapping[str, Place]:
    return places[partition_of(account, len(places))]


def _stray(key: bytes, places: Mapping[int, Mapping[str, Place]]) -> Difference:
    return _difference(key, places, NOTHING, "a key")


def _difference(key: bytes, places: Mapping[int, Mapping[str, Place]], expected: str, found: str) -> Difference:
    name = _name(key)
    topic = _TOPICS.get(name, layout.DECISIONS if name.startswith((CALL, b"calls")) else layout.SNAPSHOTS)
    number = key.removeprefix(layout.ACCOUNTS)
    listed = number.isdigit() and int(number) in places
    place = (places[int(number)] if listed else _places_of(layout.account_of(key), places))[topic]
    return Difference(key, place.at(-1), expected, found, (("UNLINK", key),))
