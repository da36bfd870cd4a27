"""`…/invoice.pdf` and `…/receipt.pdf`: the bytes of `tollgate invoice render`, as things now stand."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from backoffice.documents.command import app
from backoffice.documents.facts import Reversed
from tests.backoffice.documents.samples import invoice, paid, receipt
from tests.gateway.reads.conftest import ISSUER
from tests.gateway.reads.events import snapshot
from tests.gateway.reads.filled import INVOICES_TOPIC, Filled
from tests.gateway.reads.test_lists import refused
from tests.gateway.stage import GatewayStage, Reply


def write(filled: Filled, *facts: Any) -> None:
    filled.write((INVOICES_TOPIC, msgspec.json.encode(fact)) for fact in facts)


def rendered(tmp_path: Path, document_id: str, *facts: Any) -> bytes:
    """What the command makes of the same events."""
    events, issuer, file = tmp_path / "events.jsonl", tmp_path / "issuer.toml", tmp_path / "made.pdf"
    events.write_bytes(b"\n".join(map(msgspec.json.encode, facts)))
    issuer.write_text(ISSUER)
    done = CliRunner().invoke(app, ["render", str(events), document_id, "-o", str(file), "--issuer", str(issuer)])
    assert done.exit_code == 0, done.output
    return file.read_bytes()


def pdf(stage: GatewayStage, account: str, kind: str, document_id: str, **headers: str) -> Reply:
    return stage.get(f"/v1/accounts/{account}/{kind}.pdf?{kind}_id={quote(document_id, safe='')}", headers=headers)


def test_an_invoice_before_and_after_its_payment(
    stage: GatewayStage, filled: Filled, account: str, tmp_path: Path
) -> None:
    own = invoice(3, account_id=account, reference=f"{account}-0003")
    others = invoice(4, account_id=account), receipt(account_id=account)
    filled.write([snapshot(account)])
    write(filled, own, *others)
    before = pdf(stage, account, "invoice", own.invoice_id)
    assert before.status == 200
    assert before.headers["content-type"] == "application/pdf"
    assert before.headers["content-disposition"] == f'attachment; filename="invoice-{account}-0003.pdf"'
    assert before.body == rendered(tmp_path, own.invoice_id, own, *others)
    write(filled, paid(own))
    after = pdf(stage, account, "invoice", own.invoice_id)
    assert after.body == rendered(tmp_path, own.invoice_id, own, *others, paid(own)) != before.body
    back = Reversed(account_id=account, occurred_at=own.occurred_at, invoice_id=own.invoice_id, reversed_micros=5)
    write(filled, back, replace(back, reversed_micros=7_000_000))
    latest = pdf(stage, account, "invoice", own.invoice_id)
    expected = rendered(tmp_path, own.invoice_id, own, paid(own), replace(back, reversed_micros=7_000_000))
    assert latest.body == expected != after.body
    tags = {reply.headers["etag"] for reply in (before, after, latest)}
    assert len(tags) == 3
    assert not any(tag.startswith("W/") for tag in tags)


def test_what_the_client_has_is_not_sent_again(stage: GatewayStage, filled: Filled, account: str) -> None:
    own = invoice(1, account_id=account)
    filled.write([snapshot(account)])
    write(filled, own)
    tag = pdf(stage, account, "invoice", own.invoice_id).headers["etag"]
    again = pdf(stage, account, "invoice", own.invoice_id, **{"If-None-Match": f'"x", {tag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    write(filled, paid(own))
    assert pdf(stage, account, "invoice", own.invoice_id, **{"If-None-Match": tag}).status == 200


def test_a_receipt(stage: GatewayStage, filled: Filled, account: str, tmp_path: Path) -> None:
    plain = receipt("p1", account_id=account)
    odd = receipt('p/2"\r\n;é', account_id=account, reference='p/2"\r\n;é')
    filled.write([snapshot(account)])
    write(filled, plain, odd)
    reply = pdf(stage, account, "receipt", plain.receipt_id)
    assert reply.body == rendered(tmp_path, plain.receipt_id, plain, odd)
    assert 'filename="receipt-a1-receipt-p1.pdf"' in reply.headers["content-disposition"]
    reply = pdf(stage, account, "receipt", odd.receipt_id)
    assert reply.headers["content-disposition"] == (
        "attachment; filename=\"receipt-p-2-.pdf\"; filename*=UTF-8''receipt-p%2F2%22%0D%0A%3B%C3%A9.pdf"
    )


def test_a_document_that_is_not_there(stage: GatewayStage, filled: Filled, account: str) -> None:
    own, slip = invoice(1, account_id=account), receipt(account_id=account)
    other = invoice(2, account_id=f"{account}-2")
    filled.write([snapshot(account), snapshot(f"{account}-2")])
    write(filled, own, slip, other)
    for kind, document_id in (("invoice", slip.receipt_id), ("receipt", own.invoice_id), ("invoice", other.invoice_id)):
        assert pdf(stage, account, kind, document_id).code == "not_found", (kind, document_id)
    assert pdf(stage, f"{account}-3", "invoice", own.invoice_id).code == "not_found"
    refused(stage.get(f"/v1/accounts/{account}/invoice.pdf"), "invoice_id")
    refused(stage.get(f"/v1/accounts/{account}/receipt.pdf?receipt_id="), "receipt_id")
    assert pdf(stage, account, "invoice", own.invoice_id, Accept="application/json").code == "not_acceptable"


def test_an_invoice_among_many_events(stage: GatewayStage, filled: Filled, account: str, tmp_path: Path) -> None:
    own = invoice(1, account_id=account)
    filled.write([snapshot(account)])
    write(filled, own, *(receipt(f"p{n}", account_id=account) for n in range(1_000)), paid(own))
    assert pdf(stage, account, "invoice", own.invoice_id).body == rendered(tmp_path, own.invoice_id, own, paid(own))


def test_many_documents_at_once(stage: GatewayStage, filled: Filled, account: str) -> None:
    """One is typeset after the other; all come, and each is its own."""
    many = [invoice(n, account_id=account) for n in range(20)]
    filled.write([snapshot(account)])
    write(filled, *many)
    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(lambda own: pdf(stage, account, "invoice", own.invoice_id), many))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 20


@pytest.mark.parametrize("kind", ["invoice", "receipt"])
def test_every_account_may_have_none(stage: GatewayStage, filled: Filled, account: str, kind: str) -> None:
    filled.write([snapshot(account)])
    assert pdf(stage, account, kind, "x").code == "not_found"
