"""A small stand-in for Stripe's API on a real socket: it remembers idempotency keys and counts charges.

A card's name decides its behaviour: `pm_card_visa` pays, `DECLINES` are declined, `_create` has the others. Objects are
kept as Stripe keeps them, so a test can count the real charges of each payment id.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.payments import stripe_checkout

API_KEY = "sk_test_of_the_tests"
POLL_S = 0.02  # How long a test's end waits for the server to stop.
Answer = tuple[int, dict[str, Any]]

# Token to (code, decline code): the 402 of an off-session confirmation.
DECLINES = {
    "pm_stolen": ("card_declined", "stolen_card"),
    "pm_poor": ("card_declined", "insufficient_funds"),
    "pm_must_confirm": ("authentication_required", "authentication_required"),
    "pm_new_reason": ("card_declined", "a_code_of_next_year"),
    "pm_new_code": ("a_code_of_next_year", None),
    "pm_real": ("card_declined", "test_mode_live_card"),
}
# A refusal with one of these comes before the request is executed, so it is not remembered under the key.
NOT_EXECUTED: frozenset[object] = frozenset({401, 403, 409, 429, "idempotency_error", "rate_limit"})


@dataclass
class StripeServer:
    """`before_response` is called with the payment id after a charge, before its response is sent."""

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    checkouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    # Statuses of the next creations, each returned before (False) or after (True) the card is charged.
    failures: list[tuple[int, bool]] = field(default_factory=list)
    # While it is set, the response to every creation and confirmation.
    refusal: Answer | None = None
    # Statuses of the next lists of disputes.
    list_failures: list[int] = field(default_factory=list)
    page_max: int = 100
    can_search: bool = True
    refuse_confirmation: str | None = None
    confirmed_before_cancel: bool = False
    before_response: Callable[[str], None] = lambda _: None
    created_at: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._by_key: dict[str, tuple[dict[str, str], Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def charges(self) -> Counter[str]:
        """How often the card was charged for each payment id."""
        paid = [one for one in self.intents.values() if one["status"] == "succeeded"]
        return Counter(one["metadata"]["payment_id"] for one in paid)

    def intent_of(self, payment_id: str) -> dict[str, Any]:
        return next(one for one in self.intents.values() if one["metadata"]["payment_id"] == payment_id)

    def dispute(self, payment_id: str, status: str = "needs_response", **changed: object) -> dict[str, Any]:
        """The customer disputes a payment: the whole amount is withdrawn, unless it is an inquiry."""
        intent = self.intent_of(payment_id)
        name, amount = f"du_{len(self.disputes) + 1}", intent["amount"]
        self.disputes[name] = {
            "id": name,
            "object": "dispute",
            "amount": amount,
            "currency": intent["currency"],
            "created": self.created_at + 10,
            "payment_intent": intent["id"],
            "metadata": {},
            "status": status,
            "balance_transactions": [] if status.startswith("warning") else [movement(-amount, self.created_at + 11)],
            **changed,
        }
        return self.disputes[name]

    def win(self, dispute: dict[str, Any]) -> None:
        """The bank decides for us: the amount is reinstated."""
        dispute["status"] = "won"
        dispute["balance_transactions"].append(movement(dispute["amount"], self.created_at + 20))

    def refund_by_hand(self, payment_id: str, amount: int, **changed: object) -> dict[str, Any]:
        """A person refunds a part of a payment in Stripe's dashboard."""
        _, refund = self._refund({"payment_intent": self.intent_of(payment_id)["id"], "amount": str(amount)})
        refund |= changed
        return refund

    def forget_keys(self) -> None:
        """Stripe forgets them after a day."""
        self._by_key.clear()

    def answer(self, method: str, path: str, form: dict[str, str], key: str | None) -> Answer:
        with self.lock:
            self.requests.append((method, path))
            if key is None or method != "POST":
                return self._act(method, path, form)
            if key in self._by_key:
                before, known = self._by_key[key]
                return known if before == form else error(400, "idempotency_error", None)
            if self.refusal is not None:
                fault = self.refusal[1]["error"]
                if not {self.refusal[0], fault["type"], fault["code"]} & NOT_EXECUTED:
                    self._by_key[key] = (form, self.refusal)
                return self.refusal
            status = self.failures.pop(0) if self.failures else None
            if status is not None and not status[1]:
                return error(status[0], "api_error", None)
            answer = self._act(method, path, form)
            self._by_key[key] = (form, answer if status is None else error(status[0], "api_error", None))
            return self._by_key[key][1]

    def _act(self, method: str, path: str, form: dict[str, str]) -> Answer:
        kind, *rest = path.removeprefix("/v1/").split("/")
        if kind == "disputes" and self.list_failures:
            return error(self.list_failures.pop(0), "invalid_request_error", None)
        if kind == "disputes":
            return self._list(self.disputes, form)
        if kind == "checkout":
            return stripe_checkout.answer(self.checkouts, method, rest, form, self.url)
        return self._refunds(method, rest, form) if kind == "refunds" else self._intents(method, rest, form)

    def _list(self, objects: dict[str, dict[str, Any]], form: dict[str, str]) -> Answer:
        """A page, newest first."""
        since = int(form.get("created[gte]", 0))
        found = [one for one in objects.values() if one["created"] >= since]
        if "payment_intent" in form:
            found = [one for one in found if one["payment_intent"] == form["payment_intent"]]
        found.reverse()
        if "starting_after" in form:
            found = found[[one["id"] for one in found].index(form["starting_after"]) + 1 :]
        page = found[: min(int(form["limit"]), self.page_max)]
        if form.get("expand[0]") == "data.payment_intent":
            page = [{**one, "payment_intent": self.intents[one["payment_intent"]]} for one in page]
        return 200, {"object": "list", "data": page, "has_more": len(page) < len(found), "url": "/v1/list"}

    def _intents(self, method: str, rest: list[str], form: dict[str, str]) -> Answer:
        match (method, *rest):
            case ("POST",):
                return self._create(form)
            case ("GET", "search"):
                return self._search(form["query"]) if self.can_search else error(400, "invalid_request_error", None)
            case ("GET", name) if name in self.intents:
                return 200, self.intents[name]
            case ("POST", name, "cancel"):
                if self.confirmed_before_cancel:
                    self.intents[name]["status"] = "succeeded"
                    return error(400, "invalid_request_error", "payment_intent_unexpected_state")
                reason = form.get("cancellation_reason")
                self.intents[name] |= {"status": "canceled", "cancellation_reason": reason}
                return 200, self.intents[name]
            case ("POST", name, "confirm") if self.refuse_confirmation is not None:
                return error(400, "invalid_request_error", self.refuse_confirmation)
            case ("POST", name, "confirm"):
                self.intents[name]["status"] = "succeeded"
                return 200, self.intents[name]
        return error(404, "invalid_request_error", "resource_missing")

    def _refunds(self, method: str, rest: list[str], form: dict[str, str]) -> Answer:
        match (method, *rest):
            case ("POST",):
                return self._refund(form)
            case ("GET",):
                return self._list(self.refunds, form)
            case ("GET", name):
                return 200, self.refunds[name]
        return error(404, "invalid_request_error", "resource_missing")

    def _search(self, query: str) -> Answer:
        wanted = query.removeprefix("metadata['payment_key']:'").removesuffix("'").lower()
        found = [one for one in self.intents.values() if one["metadata"]["payment_key"].lower() == wanted]
        return 200, {"object": "search_result", "data": found, "has_more": False, "url": "/v1/payment_intents/search"}

    def _create(self, form: dict[str, str]) -> Answer:
        token = form["payment_method"]
        if token == "pm_gone":
            return error(400, "invalid_request_error", "resource_missing", param="payment_method")
        status = {"pm_slow": "processing", "pm_acts": "requires_action", "pm_untried": "requires_confirmation"}
        intent = {
            "id": f"pi_{len(self.intents) + 1}",
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "currency": form["currency"],
            "created": self.created_at,
            "metadata": {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
            "status": status.get(token, "succeeded"),
            "latest_charge": {"id": "ch_1", "object": "charge", "created": self.created_at + 1},
            "last_payment_error": None,
        }
        self.intents[str(intent["id"])] = intent
        if token not in DECLINES:
            return 200, intent
        code, decline_code = DECLINES[token]
        fault = {"type": "card_error", "code": code, "decline_code": decline_code, "message": f"no, {token}"}
        intent |= {"status": "requires_payment_method", "latest_charge": "ch_1", "last_payment_error": fault}
        return 402, {"error": {**fault, "payment_intent": intent}}

    def _refund(self, form: dict[str, str]) -> Answer:
        intent = self.intents[form["payment_intent"]]
        amount = int(form["amount"])
        given_back = sum(one["amount"] for one in self.refunds.values() if one["payment_intent"] == intent["id"])
        if given_back == intent["amount"]:
            return error(400, "invalid_request_error", "charge_already_refunded")
        if given_back + amount > intent["amount"]:
            return error(400, "invalid_request_error", None, param="amount")
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "created": self.created_at + 2,
            "balance_transaction": f"txn_re_{len(self.refunds) + 1}",
            "payment_intent": intent["id"],
            "metadata": {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
            "status": "succeeded",
        }
        self.refunds[str(refund["id"])] = refund
        return 200, refund


def movement(amount: int, created: int, currency: str = "usd", kind: str = "adjustment") -> dict[str, Any]:
    """A balance transaction."""
    name = f"txn_{amount}_{created}"
    return {"id": name, "amount": amount, "created": created, "currency": currency, "type": kind}


def error(status: int, kind: str, code: str | None, param: str | None = None) -> Answer:
    return status, {"error": {"type": kind, "code": code, "param": param, "message": "a message that names pm_secret"}}


def _handler(server: StripeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if self._is_allowed():
                self._send(*server.answer("GET", parts.path, dict(parse_qsl(parts.query)), None))

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()))
            if not self._is_allowed():
                return
            status, body = server.answer("POST", urlsplit(self.path).path, form, self.headers["Idempotency-Key"])
            server.before_response(form.get("metadata[payment_id]", ""))
            self._send(status, body)

        def _is_allowed(self) -> bool:
            """Send a 401 if the key is wrong."""
            allowed = self.headers["Authorization"] == f"Bearer {API_KEY}"
            if not allowed:
                self._send(*error(401, "invalid_request_error", None))
            return allowed

        def _send(self, status: int, body: dict[str, Any]) -> None:
            value = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(value)))
                self.end_headers()
                self.wfile.write(value)
            except ConnectionError:
                self.close_connection = True  # The client was killed, as some tests do.

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the standard library's signature
            """Quiet."""

    return Handler
