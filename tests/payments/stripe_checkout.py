"""Stripe's Checkout in setup mode, as far as the stand-in for Stripe needs it: sessions, and cards entered in them."""

from typing import Any

Sessions = dict[str, dict[str, Any]]
CARD = {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2035, "fingerprint": "Xt5EWLLDS7FJjR1c"}


def session(name: str, form: dict[str, str], url: str) -> dict[str, Any]:
    """A new session, in which no card was entered yet. `form` is the request's."""
    return {
        "id": name,
        "object": "checkout.session",
        "mode": form["mode"],
        "status": "open",
        "url": f"{url}/pay/{name}",
        "success_url": form["success_url"],
        "cancel_url": form["cancel_url"],
        "client_reference_id": form["client_reference_id"],
        "metadata": {key[9:-1]: value for key, value in form.items() if key.startswith("metadata[")},
        "customer": None,
        "setup_intent": {"id": f"seti_{name}", "object": "setup_intent", "status": "requires_payment_method"},
    }


def enter_card(entered: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The owner enters a card, and the bank confirms it."""
    method = {"id": f"pm_of_{entered['id']}", "object": "payment_method", "type": "card", "card": {**CARD, **changed}}
    entered |= {
        "status": "complete",
        "customer": f"cus_of_{entered['id']}",
        "setup_intent": {**entered["setup_intent"], "status": "succeeded", "payment_method": method},
    }
    return entered


def answer(
    sessions: Sessions, method: str, rest: list[str], form: dict[str, str], url: str
) -> tuple[int, dict[str, Any]]:
    """A new session, or the one that is asked for."""
    if method == "POST":
        name = f"cs_test_{len(sessions) + 1}"
        sessions[name] = session(name, form, url)
        return 200, sessions[name]
    if rest[-1] in sessions:
        return 200, sessions[rest[-1]]
    fault = {"type": "invalid_request_error", "code": "resource_missing", "param": "session", "message": "none"}
    return 404, {"error": fault}
