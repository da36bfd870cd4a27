"""Forms: each is one input of the owner, its refusal stands beside its field, and it leads to a page."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from devkit.redis import DevRedis
from gateway.portal.actions import FieldError, Form
from gateway.portal.screen import shown_again
from gateway.portal.sending import location, sentence
from gateway.portal.words import MINUS, Words
from tests.gateway.portal.served import FILE, GRANT, LEAVE, ONLY, PATH, PROGRAM, SEND
from tests.gateway.portal.stage import Owners, Visitor
from tests.gateway.stage import GatewayStage, Reply
from tests.lane.stage import wait_until

CARD_NUMBER = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def served(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owners]:
    """A gateway with the test's own forms."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as redis:
        stage = GatewayStage(kafka, redis.url, "gw-forms", tmp_path_factory.mktemp("gw-forms"))
        stage.worker()
        stage.views()
        yield Owners(stage, program=PROGRAM)
        stage.close()


@pytest.fixture(scope="module")
def account(served: Owners) -> str:
    account = served.account("forms-1")
    card = {"token": "tok_visa", "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}
    served.send(account, "payment-method-added", payment_method_id="pm1", **card)
    return account


@pytest.fixture(scope="module")
def visitor(served: Owners, account: str) -> Visitor:
    return served.visitor(account)


def sent(visitor: Visitor, path: str, form_id: str = "", **fields: str) -> Reply:
    """A form with the session's token. Without `form_id` it has a new id."""
    form_id = form_id or f"page-{next(NUMBERS)}"
    return visitor.post(path, {"csrf": visitor.hidden("/portal")["csrf"], "id": form_id, **fields})


NUMBERS = iter(range(10_000))


def purchases(served: Owners, account: str) -> list[str]:
    """What the account asks its card for, by the purchase."""
    snapshot = served.stage.get(f"/v1/accounts/{account}").json()
    return [payment["reference"] for payment in snapshot["pending_payments"]]


def test_a_form_is_an_input_and_leads_to_its_page(served: Owners, visitor: Visitor, account: str) -> None:
    reply = sent(visitor, PATH, "page-first", amount="12.50")
    assert (reply.status, reply.body) == (303, b"")
    target = urlsplit(reply.headers["location"])
    query = parse_qs(target.query)
    assert (target.path, target.fragment, query["a"], query["notice"]) == (PATH, "there", ["1"], ["test-bought"])
    shown = visitor.get(reply.headers["location"])
    assert b"The test was bought." in shown.body
    found = served.stage.get(f"/v1/accounts/{account}").json()
    assert int(query["after"][0]) <= found["version"]
    [payment] = [one for one in found["pending_payments"] if one["reference"] == "p-page-first"]
    assert payment["amount_micros"] == 12_500_000
    outcome = served.stage.get(f"/v1/accounts/{account}/inputs/page-first").json()
    assert outcome["id"] == "page-first"


def test_a_form_that_is_sent_twice_is_one_input(served: Owners, visitor: Visitor, account: str) -> None:
    first, second = (sent(visitor, PATH, "page-twice", amount="10") for _ in range(2))
    assert first.status == second.status == 303
    assert first.headers["location"] == second.headers["location"]
    wait_until(lambda: "p-page-twice" in purchases(served, account), "the purchase")
    assert purchases(served, account).count("p-page-twice") == 1
    changed = sent(visitor, PATH, "page-twice", amount="11")
    assert changed.status == 409
    assert b"sent before with other values" in changed.body


def test_a_refusal_stands_on_the_form(visitor: Visitor) -> None:
    refused = sent(visitor, PATH, "page-refused", amount="0.01")
    assert refused.status == 422
    assert b'href="#amount">Enter an amount from $0.50 to $999,999.99.' in refused.body
    assert b"<title>Error: Test" in refused.body
    assert sent(visitor, PATH, "page-refused", amount="20").status == 303, "a refused id is free again"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"amount": ""}, "Enter an amount such as 50.00."),
        ({"amount": "lots"}, "Enter an amount such as 50.00."),
        ({"amount": "10", "purpose": "none"}, "Say what it is for."),
    ],
)
def test_what_the_page_itself_refuses(visitor: Visitor, fields: dict[str, str], says: str) -> None:
    refused = sent(visitor, PATH, **fields)
    assert refused.status == 422
    assert says.encode() in refused.body


@pytest.mark.parametrize("form_id", ["", "gate:1", "a b", "x" * 200])
def test_a_form_without_a_usable_id_is_not_sent(visitor: Visitor, form_id: str) -> None:
    hidden = visitor.hidden("/portal")
    refused = visitor.post(PATH, {"csrf": hidden["csrf"], "id": form_id, "amount": "10"})
    assert refused.status == 422
    assert b"not complete" in refused.body


def test_no_form_asks_for_what_an_owner_may_not(served: Owners, visitor: Visitor, account: str) -> None:
    reply = sent(visitor, GRANT, "page-grant")
    assert reply.status == 403
    assert served.stage.get(f"/v1/accounts/{account}/inputs/page-grant").status == 404
    assert served.stage.get(f"/v1/accounts/{account}").json()["balance_micros"] == 0


def test_a_link_to_read_sends_no_form(served: Owners, account: str) -> None:
    reader = served.visitor(account, "read")
    for path in (PATH, SEND, LEAVE):
        reply = sent(reader, path, "page-reader", amount="10", number="+1415")
        assert reply.status == 403
        assert b"cannot change anything" in reply.body
    assert served.stage.get(f"/v1/accounts/{account}/inputs/page-reader").status == 404
    assert reader.get(ONLY).status == 403
    assert reader.get(PATH).status == 200
    assert served.visitor(account).get(ONLY).status == 200


def test_a_form_of_another_session_is_not_sent(served: Owners, visitor: Visitor, account: str) -> None:
    other = served.visitor(account)
    reply = visitor.post(PATH, {"csrf": other.hidden("/portal")["csrf"], "id": "page-other", "amount": "10"})
    assert reply.status == 403
    assert "p-page-other" not in purchases(served, account)


def test_a_form_may_lead_to_the_payment_provider(visitor: Visitor) -> None:
    reply = sent(visitor, LEAVE)
    assert (reply.status, reply.headers["location"]) == (303, "https://checkout.stripe.com/c/pay/cs_1")


def test_where_a_form_leads_may_depend_on_the_account(visitor: Visitor, account: str) -> None:
    reply = sent(visitor, SEND, number="+14155550100")
    assert reply.headers["location"].startswith(f"{PATH}?account={account}&after=")


def test_a_file(served: Owners, visitor: Visitor) -> None:
    reply = visitor.get(FILE)
    assert (reply.status, reply.body, reply.headers["cache-control"]) == (200, b"a,b\r\n", "no-store")
    assert served.visitor().get(FILE).status == 401


def test_no_card_number_is_shown_again() -> None:
    typed = {"name": "Ann", "card": CARD_NUMBER, "note": f"my card: {CARD_NUMBER}", "phone": "+14155550100"}
    assert shown_again(typed) == {"name": "Ann", "phone": "+14155550100"}


def test_the_form_says_that_its_input_is_under_way(served: Owners, visitor: Visitor) -> None:
    """Without a worker a command has no outcome; the form's input has its effect once there is one again."""
    stage = served.stage
    slow = stage.gateway(program=PROGRAM, portal_url=served.url, command_timeout_ms=200)
    [worker] = [process for process in stage.processes if process.events("partitions owned")]
    stage.end(worker)
    worker.process.wait(60)
    hidden = visitor.hidden("/portal")
    fields = {"csrf": hidden["csrf"], "id": "page-waits", "number": "+14155550199"}
    reply = visitor.post(SEND, fields, port=slow.port)
    assert reply.status == 303
    assert b"Your change is under way." in visitor.get(reply.headers["location"]).body
    stage.worker()
    account = stage.get("/v1/accounts/forms-1")
    wait_until(
        lambda: stage.get("/v1/accounts/forms-1").json().get("redirect_to") == "+14155550199", str(account.json()), 30
    )


# What a form's fields may hold.

USD = Words("USD", "UTC", 0, {"USD": 2}.__getitem__)
JPY = Words("JPY", "UTC", 0, {"JPY": 0}.__getitem__)
KWD = Words("KWD", "UTC", 0, {"KWD": 3}.__getitem__)


def read(name: str, value: str, *arguments: Any, **options: Any) -> Any:
    return getattr(Form([("field", value)]), name)("field", *arguments, **options)


@pytest.mark.parametrize(
    ("typed", "words", "micros"),
    [
        ("50", USD, 50_000_000),
        (" $1,234.50 ", USD, 1_234_500_000),
        (".5", USD, 500_000),
        ("50 USD", USD, 50_000_000),
        ("0", USD, 0),
        ("1000", JPY, 1_000_000_000),
        ("¥1,000", JPY, 1_000_000_000),
        ("0.125", KWD, 125_000),
        ("1.005", USD, None),
        ("1.5", JPY, None),
        ("-5", USD, None),
        (f"{MINUS}5", USD, None),
        ("1e3", USD, None),
        ("٣", USD, None),
        ("--1", USD, None),
        ("1.2.3", USD, None),
        ("", USD, None),
        ("9" * 30, USD, None),
        ("nan", USD, None),
    ],
)
def test_amounts(typed: str, words: Words, micros: int | None) -> None:
    if micros is None:
        with pytest.raises(FieldError):
            read("money", typed, words)
    else:
        assert read("money", typed, words) == micros


def test_amounts_that_may_be_negative_or_left_out() -> None:
    assert read("money", "", USD, optional=True) == 0
    for typed in ("-5", f"{MINUS}5", f"{MINUS}$5.00"):
        assert read("money", typed, USD, negative=True) == -5_000_000


def test_other_fields() -> None:
    assert read("text", "  a \r\n b\r\n") == "a\nb"
    assert read("text", " ", optional=True) == ""
    assert read("number", "1,000", most=1_000) == 1_000
    assert read("choice", "a", ["a", "b"]) == "a"
    assert read("box", "yes") is True
    assert Form([]).box("field") is False
    for name, value, arguments in (
        ("text", " ", ()), ("text", "x" * 501, ()), ("number", "1001", (0, 1_000)), ("number", "-1", ()),
        ("number", "1.5", ()), ("choice", "c", (["a", "b"],)),
    ):  # fmt: skip
        with pytest.raises(FieldError):
            read(name, value, *arguments)


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/portal/a", {}, "/portal/a"),
        ("/portal/a", {"notice": "b", "after": 3}, "/portal/a?notice=b&after=3"),
        ("/portal/a?b=1#c", {"after": 3}, "/portal/a?b=1&after=3#c"),
    ],
)
def test_where_a_form_leads(path: str, query: dict[str, Any], expected: str) -> None:
    assert location(path, query) == expected


def test_the_engines_reasons_become_sentences() -> None:
    assert sentence("`amount_micros` is too small") == "The amount is too small."
    assert not re.search("[`_]", sentence(json.loads('"`payment_method_id` names no payment method"')))
