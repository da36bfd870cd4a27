"""Calls: the join of decision, charge and adjustments, newest first."""

import json
from typing import Any
from urllib.parse import quote

from schemas.instant import format_instant
from tests.gateway.reads.events import adjustment, admission, charge, redirection, snapshot
from tests.gateway.reads.filled import Filled
from tests.gateway.reads.test_lists import at, pages
from tests.gateway.stage import GatewayStage
from tests.views.events import JANUARY_MS


def calls(stage: GatewayStage, account: str, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stage.get(f"/v1/accounts/{account}/calls{query}").json()["items"]
    return items


def call_ids(stage: GatewayStage, account: str, limit: int, query: str = "") -> list[str]:
    found = pages(stage, f"/v1/accounts/{account}/calls{query}", limit)
    return [item["call_id"] for answer in found for item in answer["items"]]


def test_a_call_with_everything_that_is_known_of_it(stage: GatewayStage, filled: Filled, account: str) -> None:
    admitted, charged = admission(account, "c/1", 1_000), charge(account, "c/1", 9_000, 3_000_000)
    first, second = adjustment(account, "c/1", 20_000, 500_000), adjustment(account, "c/1", 15_000, -1_250_000)
    filled.write([snapshot(account), admitted, charged, first, second])
    assert calls(stage, account) == [
        {
            "call_id": "c/1",
            "first_at": at(1_000),
            "decision": json.loads(admitted[1]),
            "charge": json.loads(charged[1]),
            "adjustments": [json.loads(first[1]), json.loads(second[1])],
            "net_micros": 2_250_000,
            "currency": "USD",
        }
    ]
    assert charged[1] in stage.get(f"/v1/accounts/{account}/calls").body, "as published"


def test_a_call_without_a_charge_has_no_net_amount(stage: GatewayStage, filled: Filled, account: str) -> None:
    redirected, adjusted = redirection(account, "c1", 1_000), adjustment(account, "c2", 2_000, 5)
    filled.write([snapshot(account), redirected, adjusted])
    assert calls(stage, account) == [
        {"call_id": "c2", "first_at": at(2_000), "adjustments": [json.loads(adjusted[1])]},
        {"call_id": "c1", "first_at": at(1_000), "decision": json.loads(redirected[1]), "adjustments": []},
    ]


def test_the_order_of_calls(stage: GatewayStage, filled: Filled, account: str) -> None:
    """By the time of the first event, newest first; equal times by the id. Pages of any size agree."""
    times = {"b": 5, "a": 5, "d": 5, "c": 5, "z": 1, "y": 9, "e1": 3, "e2": 3, "e3": 3}
    filled.write([snapshot(account), *(admission(account, name, ms) for name, ms in times.items())])
    expected = ["y", "a", "b", "c", "d", "e1", "e2", "e3", "z"]
    for limit in (1, 2, 3, 4, 5, 8, 9, 50):
        assert call_ids(stage, account, limit) == expected, limit
    assert call_ids(stage, account, 2, f"?from={at(3)}&to={at(9)}") == ["a", "b", "c", "d", "e1", "e2", "e3"]
    assert call_ids(stage, account, 2, f"?from={at(5)}&to={at(6)}") == ["a", "b", "c", "d"]
    assert call_ids(stage, account, 2, f"?to={at(3)}") == ["z"]


def test_a_thousand_calls_of_one_moment(stage: GatewayStage, filled: Filled, account: str) -> None:
    names = [f"c{n:04}" for n in range(1_000)]
    filled.write([snapshot(account), *(admission(account, name, 7) for name in reversed(names))])
    assert call_ids(stage, account, 150) == names


def test_calls_while_others_begin(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account), *(admission(account, f"c{n:02}", n // 4) for n in range(40))])
    expected = sorted((f"c{n:02}" for n in range(40)), key=lambda name: (-(int(name[1:]) // 4), name))
    path = f"/v1/accounts/{account}/calls?limit=3"
    answer, found, number = stage.get(path).json(), [], 1_000
    while True:
        found += [item["call_id"] for item in answer["items"]]
        if "next_cursor" not in answer:
            break
        filled.write([admission(account, f"n{number}", number)])
        number += 1
        answer = stage.get(f"{path}&cursor={answer['next_cursor']}").json()
    assert found == expected


def test_pages_go_on_behind_a_call_that_is_gone(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account), *(admission(account, f"c{n}", 5) for n in range(6))])
    answer = stage.get(f"/v1/accounts/{account}/calls?limit=3").json()
    stage.redis.zrem(f"tg:1:{{{account}}}:calls", "c2")
    stage.redis.delete(f"tg:1:{{{account}}}:call:c2")
    following = stage.get(f"/v1/accounts/{account}/calls?cursor={answer['next_cursor']}").json()
    assert [item["call_id"] for item in following["items"]] == ["c3", "c4", "c5"]


def test_a_call_id_with_every_character_that_ids_have(stage: GatewayStage, filled: Filled, account: str) -> None:
    odd = "".join(map(chr, range(33, 127)))
    filled.write([snapshot(account), admission(account, odd, 1), admission(account, f"{odd}2", 1)])
    assert call_ids(stage, account, 1) == [odd, f"{odd}2"]
    assert stage.get(f"/v1/accounts/{account}/explain?call_id={quote(odd, safe='')}").status == 404
    assert calls(stage, account)[0]["first_at"] == format_instant(JANUARY_MS + 1)
