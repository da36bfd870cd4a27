"""All accounts that a key may see, by their ids, merged from the partitions' sorted sets.

Only ranges of ids are read: those of the key, in steps, from where the last page ended.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import groupby

import msgspec
from starlette.responses import Response

from agents.views import layout
from gateway.http.endpoint import JSON
from gateway.http.endpoint import Call as Request
from gateway.reads.cursor import Asked, Cursor, checksum_of, encode
from gateway.reads.lists import page_body
from gateway.reads.log_order import STEP_ROWS
from gateway.reads.parameters import cursor_of, limit_of
from gateway.reads.source import Source

EMAIL = "billing_email"


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """The account ids that begin with `prefix`; that one id alone when `exact`."""

    prefix: bytes
    exact: bool


@dataclass(frozen=True, slots=True)
class Found:
    account: bytes
    snapshot: bytes


class _Snapshot(msgspec.Struct, frozen=True, gc=False):
    billing_email: str | None = None


_snapshot = msgspec.json.Decoder(_Snapshot).decode


async def list_accounts(request: Request) -> Response:
    """`GET /v1/accounts`. With `billing_email` only accounts of exactly that address."""
    limit, checksum = limit_of(request.query), checksum_of("accounts")
    cursor = cursor_of(request.query, checksum)
    asked = Asked(billing_email=request.query.get(EMAIL)) if cursor is None else cursor.asked
    after = b"" if cursor is None else cursor.name.encode()
    source = Source(request.parts)
    rows = limit + 1 if asked.takes_all else STEP_ROWS
    found: list[Found] = []
    async for accounts in _accounts(source, ranges_of(request.key.accounts), after, rows):
        found += [account for account in accounts if _takes(asked, account)]
        if len(found) > limit:
            break
    last = found[limit - 1].account.decode() if len(found) > limit else None
    following = None if last is None else encode(Cursor(checksum, 0, last, asked))
    body = page_body([account.snapshot for account in found[:limit]], following)
    return Response(body, media_type=JSON, headers=source.headers())


def _takes(asked: Asked, account: Found) -> bool:
    email = asked.billing_email
    if email is None:
        return True
    # Few have the address, and looking for its bytes is far cheaper than decoding.
    return msgspec.json.encode(email) in account.snapshot and _snapshot(account.snapshot).billing_email == email


def ranges_of(accounts: Iterable[str] | None) -> list[Range]:
    """The ranges of a key's accounts, by their ids and without overlaps."""
    given = ("*",) if accounts is None else accounts
    ranges: list[Range] = []
    for wanted in sorted({Range(name.removesuffix("*").encode(), not name.endswith("*")) for name in given}):
        covered = ranges and not ranges[-1].exact and wanted.prefix.startswith(ranges[-1].prefix)
        if not covered:
            ranges.append(wanted)
    return ranges


async def _accounts(source: Source, ranges: list[Range], after: bytes, rows: int) -> AsyncIterator[list[Found]]:
    """The accounts with a snapshot, behind the id `after`, by their ids and about `rows` at a time."""
    async for ids in _ids(source, ranges, after, rows):
        for first in range(0, len(ids), rows):
            some = ids[first : first + rows]
            commands = [("GET", layout.account_key(account, b"snapshot")) for account in some]
            values = await source.ask({source.partition_of(account) for account in some}, commands)
            yield [Found(account, value) for account, value in zip(some, values, strict=True) if value is not None]


async def _ids(source: Source, ranges: list[Range], after: bytes, rows: int) -> AsyncIterator[list[bytes]]:
    for exact, group in groupby(ranges, key=lambda wanted: wanted.exact):
        if exact:
            yield [wanted.prefix for wanted in group if wanted.prefix > after]
            continue
        for wanted in group:
            if after <= wanted.prefix or after.startswith(wanted.prefix):
                async for ids in _ids_of_prefix(source, wanted.prefix, after, rows):
                    yield ids


async def _ids_of_prefix(source: Source, prefix: bytes, after: bytes, rows: int) -> AsyncIterator[list[bytes]]:
    """The ids that begin with `prefix`, behind `after`. At most `rows` ids of a partition are read at a time; given are
    those before which no partition can have another one.
    """
    # Ids are ASCII, so none that begins with the prefix is behind this end.
    first, end = b"(" + after if after >= prefix else b"[" + prefix, b"(" + prefix + b"\xff"
    unread, starts = dict[int, bytes](), dict.fromkeys(range(source.partitions), first)
    waiting: list[bytes] = []
    while starts:
        commands = [
            ("ZRANGEBYLEX", layout.ACCOUNTS + b"%d" % partition, start, end, "LIMIT", 0, rows)
            for partition, start in starts.items()
        ]
        for partition, ids in zip(starts, await source.ask(range(source.partitions), commands), strict=True):
            waiting += ids
            unread.pop(partition, None)
            if len(ids) == rows:
                unread[partition] = ids[-1]
        bound = min(unread.values(), default=end[1:])
        yield sorted(account for account in waiting if account <= bound)
        waiting = [account for account in waiting if account > bound]
        starts = {partition: b"(" + last for partition, last in unread.items() if last == bound}
