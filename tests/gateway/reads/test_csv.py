"""The lists as CSV: columns, amounts, quoting, and cells that a spreadsheet would run."""

import csv
import http.client
import io
import json
from typing import Any

import pytest

from gateway.reads.table import amount, guarded
from tests.gateway.reads.events import (
    about_invoice,
    adjustment,
    admission,
    alert,
    charge,
    invoice,
    redirection,
    snapshot,
)
from tests.gateway.reads.filled import INVOICES_TOPIC, LEDGER, Filled
from tests.gateway.reads.test_lists import at, refused
from tests.gateway.stage import GatewayStage, Reply
from tests.views.events import event

CSV = {"Accept": "text/csv"}
HEADERS = {
    "charges": "occurred_at,type,id,call_id,amount,currency,wallet,card,balance_after,plan,ordinal,billable_ms,reason,"
    "adjusts",
    "ledger": "occurred_at,id,kind,amount,currency,balance_after,reference",
    "alerts": "occurred_at,id,type,severity,audience,details",
    "invoices": "occurred_at,id,type,invoice_id,reference,total,currency,status",
    "calls": "first_at,call_id,decision,reason,charged,adjusted,net,currency",
}


def table(reply: Reply) -> list[dict[str, str]]:
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


@pytest.mark.parametrize("name", HEADERS)
def test_one_header_line_also_above_nothing(stage: GatewayStage, filled: Filled, account: str, name: str) -> None:
    filled.write([snapshot(account)])
    reply = stage.get(f"/v1/accounts/{account}/{name}", headers=CSV)
    assert reply.body.decode() == HEADERS[name] + "\r\n"
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert stage.get(f"/v1/accounts/{account}-x/{name}", headers=CSV).code == "not_found"
    assert stage.request("HEAD", f"/v1/accounts/{account}/{name}", headers=CSV).status == 200


def test_charges(stage: GatewayStage, filled: Filled, account: str) -> None:
    own: dict[str, Any] = {"plan": "free", "billable_ms": 61_000, "balance_after_micros": -12_345_678_901}
    first = charge(account, "c,1", 1_000, 3_000_000, ordinal=26, **own, card_micros=5)
    second = adjustment(account, 'c"2', 2_000, -1_500_000, reason="reclassified", adjusts=f"{account}/x", **own)
    yen = charge(account, "c3", 3_000, 1_234_000_000, **own | {"currency": "JPY", "balance_after_micros": 0})
    filled.write([snapshot(account), first, second, yen])
    body = stage.get(f"/v1/accounts/{account}/charges", headers=CSV).body.decode()
    common, why = "-12345.678901,free", f"reclassified,{account}/x"
    assert body.split("\r\n")[1:] == [
        f"{at(3_000)},call-charged,{account}/call-charged/3000,c3,1234,JPY,1234,0,0,free,,61000,,",
        f'{at(2_000)},charge-adjusted,{account}/charge-adjusted/2000,"c""2",-1.50,USD,-1.50,0.00,{common},,61000,{why}',
        f'{at(1_000)},call-charged,{account}/call-charged/1000,"c,1",3.00,USD,3.00,0.000005,{common},26,61000,,',
        "",
    ]


def test_ledger(stage: GatewayStage, filled: Filled, account: str) -> None:
    own = {
        "kind": "grant",
        "amount_micros": 12_340_000,
        "currency": "KWD",
        "balance_after_micros": -1,
        "reference": "=1+1",
    }
    filled.write([snapshot(account), (LEDGER, event("ledger-entry-posted", account, 0, **own))])
    [row] = table(stage.get(f"/v1/accounts/{account}/ledger", headers=CSV))
    assert row == {
        "occurred_at": at(0),
        "id": f"{account}/ledger-entry-posted/0",
        "kind": "grant",
        "amount": "12.340",
        "currency": "KWD",
        "balance_after": "-0.000001",
        "reference": "'=1+1",
    }


def test_alerts(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write(
        [
            snapshot(account),
            alert(account, 0, "call-stuck", call_id="=x", hold_micros=5, currency="USD", caused_by=None),
        ]
    )
    [row] = table(stage.get(f"/v1/accounts/{account}/alerts", headers=CSV))
    details = json.loads(row.pop("details"))
    assert details == {"account_id": account, "call_id": "=x", "hold_micros": 5, "currency": "USD", "caused_by": None}
    assert row == {
        "occurred_at": at(0),
        "id": f"{account}/call-stuck/0",
        "type": "call-stuck",
        "severity": "info",
        "audience": "owner",
    }


def test_invoices(stage: GatewayStage, filled: Filled, account: str) -> None:
    receipt = event("receipt-issued", account, 9, receipt_id="r", amount_micros=5, currency="USD", reference="p-1")
    filled.write([snapshot(account), invoice(account, 1, 0), invoice(account, 2, 5), (INVOICES_TOPIC, receipt)])
    filled.write([about_invoice("invoice-paid", account, 1, 8)])
    rows = table(stage.get(f"/v1/accounts/{account}/invoices", headers=CSV))
    assert [tuple(row.values())[2:] for row in rows] == [
        ("invoice-paid", f"{account}/invoice/1", "", "", "", ""),
        ("receipt-issued", "", "p-1", "", "USD", ""),
        ("invoice-issued", f"{account}/invoice/2", f"{account}-0002", "49.00", "USD", "open"),
        ("invoice-issued", f"{account}/invoice/1", f"{account}-0001", "49.00", "USD", "paid"),
    ]
    rows = table(stage.get(f"/v1/accounts/{account}/invoices?type=invoice-paid&from={at(8)}", headers=CSV))
    assert [row["type"] for row in rows] == ["invoice-paid"]


def test_calls(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write(
        [
            snapshot(account),
            admission(account, "@c1", 1),
            charge(account, "@c1", 5, 3_000_000),
            adjustment(account, "@c1", 9, -500_000),
            redirection(account, "c2", 2),
            charge(account, "c3", 3, 0),
            adjustment(account, "c4", 4, 1),
        ]
    )
    body = stage.get(f"/v1/accounts/{account}/calls", headers=CSV).body.decode()
    assert body.split("\r\n")[1:] == [
        f"{at(4)},c4,,,,,,",
        f"{at(3)},c3,,,0.00,0.00,0.00,USD",
        f"{at(2)},c2,redirected,insufficient_balance,,,,",
        f"{at(1)},'@c1,admitted,credits,3.00,-0.50,2.50,USD",
        "",
    ]


def test_all_rows_between_two_times(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account), *(charge(account, f"c{n}", n) for n in range(1_000))])
    for name, column, step in (("charges", "call_id", 1), ("calls", "call_id", 1)):
        path = f"/v1/accounts/{account}/{name}"
        assert [row[column] for row in table(stage.get(path, headers=CSV))] == [f"c{n}" for n in range(999, -1, -step)]
        rows = table(stage.get(f"{path}?from={at(100)}&to={at(700)}", headers=CSV))
        assert [row[column] for row in rows] == [f"c{n}" for n in range(699, 99, -1)]
        for wrong in ("limit=10", "cursor=x"):
            refused(stage.get(f"{path}?{wrong}", headers=CSV), wrong.partition("=")[0])


def test_a_table_that_breaks_off_does_not_end_as_a_whole_one(stage: GatewayStage, filled: Filled, account: str) -> None:
    """Redis is emptied, and the views begin again, while a large table is on its way."""
    filled.write([snapshot(account), *(alert(account, n, note="x" * 4_000) for n in range(5_000))])
    connection = http.client.HTTPConnection("127.0.0.1", stage.gateways[0].port, timeout=40)
    connection.request("GET", f"/v1/accounts/{account}/alerts", headers=CSV | {"Authorization": f"Bearer {stage.key}"})
    answer = connection.getresponse()
    assert (answer.status, answer.read(10)) == (200, b"occurred_a")
    stage.redis.flushall()
    filled.catch_up(epoch=b"another")
    filled.write([snapshot(account)])
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    assert table(stage.get(f"/v1/accounts/{account}/alerts", headers=CSV)) == []


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/html", "application/problem+json"),
        ("text/csv;q=0, application/json;q=0", "application/problem+json"),
    ],
)
def test_what_the_client_accepts(
    stage: GatewayStage, filled: Filled, account: str, accept: str, media_type: str
) -> None:
    filled.write([snapshot(account)])
    reply = stage.get(f"/v1/accounts/{account}/charges", headers={"Accept": accept})
    assert reply.headers["content-type"].partition(";")[0] == media_type
    assert reply.status == (406 if "problem" in media_type else 200)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        *((cell, f"'{cell}") for cell in ("=1", "+x", "-", "@a", "\tx", "\rx", "=", "+1+1", "-1e", "--1", "-1\n")),
        *((cell, cell) for cell in ("", "-1", "+49123", "-1.50", "+.5", "-1e5", "a=1", "1-1", "'", " =1")),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(cell: str, written: str) -> None:
    assert guarded(cell) == written


@pytest.mark.parametrize(
    ("micros", "digits", "text"),
    [
        (1_500_000, 2, "1.50"),
        (-1_500_000, 2, "-1.50"),
        (0, 2, "0.00"),
        (-1, 2, "-0.000001"),
        (1_234_567_890_000, 2, "1234567.89"),
        (5_000_000, 0, "5"),
        (5_500_000, 0, "5.5"),
        (1_234_500, 3, "1.2345"),
        (1_000_000, 3, "1.000"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(micros: int, digits: int, text: str) -> None:
    assert amount(micros, digits) == text
