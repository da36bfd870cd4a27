"""`GET /v1/accounts`: the accounts that a key may see, merged from the partitions."""

import pytest

from gateway.reads.directory import Range, ranges_of
from schemas.partitioning import partition_of
from tests.gateway.reads.conftest import READERS
from tests.gateway.reads.events import admission, snapshot
from tests.gateway.reads.filled import Filled
from tests.gateway.reads.test_lists import pages, refused
from tests.gateway.stage import PARTITIONS, GatewayStage

NAMES = [f"dir-{letter}{n}" for letter in "abc" for n in range(1, 13)] + ["dir-z", "Dir", "zz"]


@pytest.fixture(autouse=True)
def accounts(filled: Filled) -> None:
    filled.catch_up()
    filled.redis.flushall()
    filled.catch_up()
    filled.write(snapshot(name, 1, **({"billing_email": email_of(name)} if "-" in name else {})) for name in NAMES)
    filled.write([admission("dir-b99", "c1", 0)])  # No snapshot: it is not there.
    assert {partition_of(name.encode(), PARTITIONS) for name in NAMES} == {0, 1}


def email_of(name: str) -> str:
    return f"{'Ann' if name.endswith('2') else 'bob'}+x@example.com"


def listed(stage: GatewayStage, limit: int, query: str = "", key: str = "") -> list[str]:
    original, stage.key = stage.key, key or stage.key
    try:
        found = pages(stage, f"/v1/accounts{query}", limit)
    finally:
        stage.key = original
    assert all(answer["items"] for answer in found[:-1])
    return [item["account_id"] for answer in found for item in answer["items"]]


@pytest.mark.parametrize("limit", [1, 2, 5, 38, 39, 200])
def test_all_accounts_by_their_ids(stage: GatewayStage, limit: int) -> None:
    assert listed(stage, limit) == sorted(NAMES)


def test_the_snapshots_are_as_published(stage: GatewayStage, filled: Filled) -> None:
    event = snapshot("Dir", 9, note="ü")
    filled.write([event])
    assert stage.get("/v1/accounts?limit=1").body.startswith(b'{"items":[' + event[1] + b'],"next_cursor":')


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_a_key_sees_its_accounts_only(stage: GatewayStage, keys: dict[str, str], limit: int) -> None:
    assert listed(stage, limit, key=keys["prefix"]) == sorted(n for n in NAMES if n.startswith("dir-b"))
    own = {"dir-a1", "dir-b2", "dir-z", *(n for n in NAMES if n.startswith("dir-c"))}
    assert listed(stage, limit, key=keys["two"]) == sorted(own)
    assert listed(stage, limit, key=keys["none"]) == []


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_accounts_of_one_address(stage: GatewayStage, keys: dict[str, str], limit: int) -> None:
    query = "?billing_email=Ann%2Bx%40example.com"
    expected = sorted(n for n in NAMES if n.endswith("2"))
    assert listed(stage, limit, query) == expected
    assert listed(stage, limit, query, keys["prefix"]) == [n for n in expected if n.startswith("dir-b")]
    for other in ("ann%2Bx%40example.com", "Ann%2Bx%40example.co", "Ann+x@example.com", ""):
        assert listed(stage, limit, f"?billing_email={other}") == [], "exact"


def test_pages_while_accounts_are_opened(stage: GatewayStage, filled: Filled) -> None:
    answer, found, number = stage.get("/v1/accounts?limit=4").json(), [], 0
    while True:
        found += [item["account_id"] for item in answer["items"]]
        if "next_cursor" not in answer:
            break
        filled.write([snapshot(f"dir-b1-new{number}"), snapshot(f"A{number}")])
        number += 1
        answer = stage.get(f"/v1/accounts?limit=4&cursor={answer['next_cursor']}").json()
    assert len(found) == len(set(found))
    assert [name for name in found if name in NAMES] == sorted(NAMES)


def test_what_it_refuses(stage: GatewayStage) -> None:
    cursor = stage.get("/v1/accounts?limit=1").json()["next_cursor"]
    refused(stage.get(f"/v1/accounts?cursor={cursor}&billing_email=x"), "billing_email")
    refused(stage.get(f"/v1/accounts/dir-z/charges?cursor={cursor}"), "cursor")
    refused(stage.get("/v1/accounts?cursor=x"), "cursor")
    refused(stage.get("/v1/accounts?limit=201"), "limit")
    refused(stage.get("/v1/accounts?from=2026-01-01T00:00:00Z"), "from")


def test_the_ranges_of_a_key_do_not_overlap() -> None:
    assert ranges_of(None) == [Range(b"", exact=False)]
    assert ranges_of(()) == []
    assert ranges_of(READERS["two"]) == [
        Range(b"dir-a1", exact=True),
        Range(b"dir-b2", exact=True),
        Range(b"dir-c", exact=False),
        Range(b"dir-z", exact=True),
    ]
    assert ranges_of(["ab", "ab*", "a", "ab", "abc", "*"]) == [Range(b"", exact=False)]
    assert ranges_of(["ab", "ab", "ab-1*"]) == [Range(b"ab", exact=True), Range(b"ab-1", exact=False)]


def test_many_accounts_in_steps(stage: GatewayStage, filled: Filled) -> None:
    """More of each partition than one step reads, spread unevenly."""
    names = [f"many-{n:04}" for n in range(900)]
    last = [name for name in names if partition_of(name.encode(), PARTITIONS) == 1][-1]
    filled.write(snapshot(name, 1, **({"billing_email": "one@x"} if name == last else {})) for name in names)
    everything = sorted([*NAMES, *names])
    for limit in (7, 200):
        assert listed(stage, limit) == everything
    assert listed(stage, 50, "?billing_email=one%40x") == [last]
