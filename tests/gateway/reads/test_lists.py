"""The lists of events: log order, pages, filters, and what is refused."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from schemas.instant import format_instant
from tests.gateway.reads.events import about_invoice, alert, charge, invoice, movement, snapshot
from tests.gateway.reads.filled import Event, Filled
from tests.gateway.stage import GatewayStage, Reply
from tests.views.events import JANUARY_MS

LISTS = ("charges", "ledger", "alerts", "invoices", "calls")


def values(events: list[Event]) -> list[bytes]:
    return [value for _, value in events]


def pages(stage: GatewayStage, path: str, limit: int) -> list[dict[str, Any]]:
    """The answers from the first page to the last."""
    found = [stage.get(f"{path}{'&' if '?' in path else '?'}limit={limit}").json()]
    while "next_cursor" in found[-1]:
        assert [answer.get("next_cursor") for answer in found].count(found[-1]["next_cursor"]) == 1, "it goes on"
        found.append(stage.get(f"{path.partition('?')[0]}?limit={limit}&cursor={found[-1]['next_cursor']}").json())
    return found


def ids(answers: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for answer in answers for item in answer["items"]]


def at(ms: int) -> str:
    return format_instant(JANUARY_MS + ms)


def test_events_are_as_published_newest_in_the_log_first(stage: GatewayStage, filled: Filled, account: str) -> None:
    charges = [charge(account, f"c{n}", 90_000 - n * 1_000, note="ü/€", unknown=[1.50, None]) for n in range(3)]
    filled.write([snapshot(account), *charges])
    body = stage.get(f"/v1/accounts/{account}/charges").body
    assert body == b'{"items":[' + b",".join(reversed(values(charges))) + b"]}"


@pytest.mark.parametrize("name", LISTS)
def test_a_list_may_be_empty_but_its_account_must_be_there(
    stage: GatewayStage, filled: Filled, account: str, name: str
) -> None:
    assert stage.get(f"/v1/accounts/{account}/{name}").code == "not_found"
    filled.write([charge(account, "c", 0)])
    assert stage.get(f"/v1/accounts/{account}/{name}").code == "not_found"
    filled.write([snapshot(f"{account}-2")])
    reply = stage.get(f"/v1/accounts/{account}-2/{name}")
    assert (reply.status, reply.body) == (200, b'{"items":[]}')


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (200, [7])])
def test_pages_hold_everything_once(
    stage: GatewayStage, filled: Filled, account: str, limit: int, sizes: list[int]
) -> None:
    filled.write([snapshot(account), *(charge(account, f"c{n}", n) for n in range(7))])
    found = pages(stage, f"/v1/accounts/{account}/charges", limit)
    assert [len(answer["items"]) for answer in found] == sizes
    assert ids(found) == [f"{account}/call-charged/{n}" for n in reversed(range(7))]


def test_the_default_is_fifty(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account), *(movement(account, n, n) for n in range(51))])
    answer = stage.get(f"/v1/accounts/{account}/ledger").json()
    assert len(answer["items"]) == 50
    assert "next_cursor" in answer


def test_pages_while_events_arrive(stage: GatewayStage, filled: Filled, account: str) -> None:
    """What arrives after the first page is newer than it: no later page has it, and none repeats or misses one."""
    filled.write([snapshot(account), *(charge(account, f"c{n}", n) for n in range(20))])
    path = f"/v1/accounts/{account}/charges"
    answer = stage.get(f"{path}?limit=3").json()
    found, number = [answer], 100
    while "next_cursor" in answer:
        filled.write([charge(account, f"c{number}", number), charge(account, f"d{number}", -number)])
        number += 1
        answer = stage.get(f"{path}?limit=3&cursor={answer['next_cursor']}").json()
        found.append(answer)
    assert ids(found) == [f"{account}/call-charged/{n}" for n in reversed(range(20))]


def test_the_times_of_a_list(stage: GatewayStage, filled: Filled, account: str) -> None:
    """`from` is inclusive, `to` exclusive, both by `occurred_at`, whatever the order of the log."""
    times = (5_000, 1_000, 3_000, 2_000, 4_000)
    filled.write([snapshot(account), *(charge(account, f"c{n}", n) for n in times)])
    path = f"/v1/accounts/{account}/charges"

    def found(query: str) -> list[int]:
        return [int(name.rpartition("/")[2]) for name in ids(pages(stage, f"{path}?{query}", 2))]

    assert found(f"from={at(2_000)}") == [4_000, 2_000, 3_000, 5_000]
    assert found(f"to={at(2_000)}") == [1_000]
    assert found(f"from={at(2_000)}&to={at(4_000)}") == [2_000, 3_000]
    assert found(f"from={quote('2026-01-01T01:00:04+01:00')}") == [4_000, 5_000]
    assert found(f"from={at(2_000)[:-1]}.0009Z&to={at(3_000)}") == [2_000], "cut to milliseconds"
    assert found(f"from={at(9_000)}") == []
    assert found(f"from={at(4_000)}&to={at(2_000)}") == []


def test_one_type_of_alerts_and_invoices(stage: GatewayStage, filled: Filled, account: str) -> None:
    alerts = [alert(account, n, "balance-low" if n % 3 else "call-stuck") for n in range(30)]
    invoices = [invoice(account, 1, 0), about_invoice("invoice-paid", account, 1, 5)]
    filled.write([snapshot(account), *alerts, *invoices])
    found = pages(stage, f"/v1/accounts/{account}/alerts?type=call-stuck", 4)
    assert ids(found) == [f"{account}/call-stuck/{n}" for n in range(27, -1, -3)]
    assert ids(pages(stage, f"/v1/accounts/{account}/invoices?type=invoice-paid", 4)) == [f"{account}/invoice-paid/5"]
    for name, type_ in (("alerts", "invoice-paid"), ("invoices", "nothing"), ("alerts", "")):
        refused(stage.get(f"/v1/accounts/{account}/{name}?type={type_}"), "type")
    for name in ("charges", "ledger", "calls"):
        refused(stage.get(f"/v1/accounts/{account}/{name}?type=call-charged"), "type")


def refused(reply: Reply, field: str) -> None:
    assert (reply.status, reply.code, reply.json()["field"]) == (400, "schema_invalid", field)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        *((f"limit={wrong}", "limit") for wrong in ("0", "201", "-1", "x", "", "1.5", "%C2%B2", "1e2")),
        ("from=2026-01-01", "from"),
        ("to=yesterday", "to"),
        ("from=2026-01-01T00:00:00", "from"),
        ("offset=3", "offset"),
        ("limit=1&limit=2", "limit"),
        *((f"cursor={wrong}", "cursor") for wrong in ("", "x", "AAAA", "%00", "lQ", "!!!!", "k" * 500)),
    ],
)
def test_what_a_list_refuses(stage: GatewayStage, account: str, name: str, query: str, field: str) -> None:
    refused(stage.get(f"/v1/accounts/{account}/{name}?{query}"), field)


def test_a_cursor_stands_alone_and_is_of_its_list(stage: GatewayStage, filled: Filled, account: str) -> None:
    both = [event for n in range(3) for event in (charge(account, f"c{n}", n), alert(account, n))]
    filled.write([snapshot(account), snapshot(f"{account}-2"), *both])
    path = f"/v1/accounts/{account}"
    cursor = stage.get(f"{path}/charges?limit=1&from={at(0)}").json()["next_cursor"]
    assert stage.get(f"{path}/charges?limit=2&cursor={cursor}").status == 200
    refused(stage.get(f"{path}/charges?cursor={cursor}&from={at(0)}"), "from")
    refused(stage.get(f"{path}/charges?to={at(0)}&cursor={cursor}"), "to")
    refused(stage.get(f"{path}/alerts?cursor={cursor}"), "cursor")
    refused(stage.get(f"{path}-2/charges?cursor={cursor}"), "cursor")
    refused(stage.get(f"{path}/charges?cursor={cursor}A"), "cursor")
    refused(stage.get(f"{path}/charges?cursor={cursor[:-1]}"), "cursor")
    refused(stage.get(f"{path}/charges?cursor={cursor[:5]}!!!!{cursor[5:]}"), "cursor")


def test_the_status_of_an_invoice_as_now_known(stage: GatewayStage, filled: Filled, account: str) -> None:
    """Paid by an `invoice-paid`, wherever it stands in the log; what came back of it changes no status."""
    early, late = about_invoice("invoice-paid", account, 4, 4), about_invoice("invoice-paid", account, 1, 60)
    note = '"status":"open"'
    open_, first = invoice(account, 3, 30), invoice(account, 1, 10, note=note, buyer={"status": "open"})
    filled.write([snapshot(account), early, first, invoice(account, 2, 20, "paid"), open_, invoice(account, 4, 40)])
    filled.write([late, about_invoice("invoice-reversed", account, 1, 70)])
    items = stage.get(f"/v1/accounts/{account}/invoices?type=invoice-issued").json()["items"]
    assert {item["invoice_id"].rpartition("/")[2]: item["status"] for item in items} == {
        "1": "paid",
        "2": "paid",
        "3": "open",
        "4": "paid",
    }
    assert items[-1] == json.loads(first[1]) | {"status": "paid"}
    found = pages(stage, f"/v1/accounts/{account}/invoices", 1)
    assert [item["status"] for answer in found for item in answer["items"] if "status" in item] == [
        item["status"] for item in items
    ], "also where the payment is on another page"
    assert open_[1] in stage.get(f"/v1/accounts/{account}/invoices").body, "as published where nothing changed"


def test_ten_thousand_rows(stage: GatewayStage, filled: Filled, account: str) -> None:
    rows = [charge(account, f"c{n}", n) for n in range(10_000)]
    filled.write([snapshot(account), *rows])
    path = f"/v1/accounts/{account}/charges"
    assert ids(pages(stage, path, 200)) == [f"{account}/call-charged/{n}" for n in reversed(range(10_000))]
    stage.redis.config_resetstat()
    oldest = pages(stage, f"{path}?to={at(3)}", 200)
    steps = stage.redis.info("commandstats")["cmdstat_zrevrangebyscore"]["calls"]
    assert steps >= 10_000 / 500, "no answer of Redis holds up the others for long"
    assert ids(oldest) == [f"{account}/call-charged/{n}" for n in (2, 1, 0)]
    assert stage.get(f"{path}?from={at(10_000)}").json() == {"items": []}
