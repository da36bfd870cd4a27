"""The description of the API: valid OpenAPI 3.1, complete, and readable without a key."""

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from gateway.app import ENDPOINTS
from gateway.http import problem
from gateway.http.openapi import describe
from gateway.http.pages import prose
from gateway.http.scopes import SCOPES
from tests.gateway.http import served
from tests.gateway.stage import GatewayProcess, GatewayStage

DOCUMENT = describe(ENDPOINTS)
ELEMENTS_WITHOUT_END = {"meta", "link"}


@pytest.fixture(scope="module", autouse=True)
def gateway(stage: GatewayStage) -> GatewayProcess:
    return stage.gateway()


@pytest.mark.parametrize("endpoints", [ENDPOINTS, served.ENDPOINTS], ids=["product", "tests"])
def test_the_document_is_openapi_3_1(endpoints: Any) -> None:
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(describe(endpoints))] == []


def test_every_operation_has_an_id_of_its_own() -> None:
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) == len(ENDPOINTS)
    assert all(re.fullmatch("[a-z_0-9]+", one) for one in ids)


def test_every_command_has_a_path_and_its_inputs_schema() -> None:
    for kind in SCOPES:
        path = "/v1/accounts" if kind == "account-opened" else f"/v1/accounts/{{account_id}}/{kind}"
        operation = DOCUMENT["paths"][path]["post"]
        assert operation["operationId"] == kind.replace("-", "_")
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        left_out = {"type", "id", "occurred_at"} | ({"account_id"} if kind != "account-opened" else set())
        assert left_out & set(schema.get("required", ())) == set()
        assert left_out <= set(schema["properties"])


def test_the_document_needs_no_key_and_is_the_one_of_the_calls(stage: GatewayStage) -> None:
    answer = stage.get("/openapi.json", key=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DOCUMENT


class Page(HTMLParser):
    """The parts of a page that the tests look at. Fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag not in ELEMENTS_WITHOUT_END:
            self._open.append(tag)
        values = dict(attrs)
        assert "style" not in values
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if values.get("href"):
            self.links.append(str(values["href"]))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.mark.parametrize("path", ["/docs", "/docs/problems"])
def test_pages_need_no_key_no_script_and_no_other_host(stage: GatewayStage, path: str) -> None:
    answer = stage.get(path, key=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Page(answer.body.decode())
    assert not page.elements & {"script", "style", "img", "iframe"}
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        target, _, anchor = link.partition("#")
        assert target.startswith("/") or not target, link
        found = stage.get(target or path, key=None)
        assert found.status == 200, link
        assert not anchor or f'id="{anchor}"'.encode() in found.body, link


def test_every_code_has_a_cause_and_a_remedy(stage: GatewayStage) -> None:
    words = tomllib.loads(Path(problem.__file__).with_name("problems.toml").read_text(encoding="utf-8"))
    assert set(words) == set(problem.STATUSES)
    page = Page(stage.get("/docs/problems", key=None).body.decode())
    assert set(page.ids) == set(problem.STATUSES)


def test_the_page_shows_every_call(stage: GatewayStage) -> None:
    page = Page(stage.get("/docs", key=None).body.decode())
    assert {operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()} <= set(
        page.ids
    )


def test_text_of_descriptions_is_escaped() -> None:
    assert prose("`<a>` <b> & [x](/docs)") == '<code>&lt;a&gt;</code> &lt;b&gt; &amp; <a href="/docs">x</a>'


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 400) for code in ("malformed_json", "not_utf8", "not_an_object")),
        *((code, 401) for code in ("unauthorized", "invalid_signature")),
        ("forbidden", 403),
        *((code, 404) for code in ("not_found", "unknown_account")),
        *((code, 409) for code in ("account_exists", "idempotency_mismatch")),
        *(("method_not_allowed", 405), ("not_acceptable", 406), ("request_timeout", 408), ("too_large", 413)),
        *(("unsupported_media_type", 415), ("rate_limited", 429), ("internal", 500), ("unavailable", 503)),
        *((code, 422) for code in ("schema_invalid", "unknown_type", "key_mismatch", "future_time", "too_late")),
        *((code, 422) for code in ("unknown_plan", "card_number_refused", "unreadable_record", "skipped")),
    ],
)
def test_each_code_has_the_contracts_status(code: str, status: int) -> None:
    assert problem.STATUSES[code] == status
