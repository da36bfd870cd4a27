"""Links to the owner's page of the demo accounts, and what else a person can open."""

import json
import urllib.request
from collections.abc import Iterator, Mapping

from demo.up.history import CREDITS, MINUTES

TIMEOUT_S = 15
ACCOUNTS = {CREDITS: "by the call", MINUTES: "minutes"}


def make_link(gateway_url: str, key: str, account_id: str) -> str:
    """A new link to the account's page. Raises OSError when the gateway does not make one."""
    request = urllib.request.Request(  # noqa: S310 our own gateway
        f"{gateway_url}/v1/accounts/{account_id}/portal-links",
        b"{}",
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 our own gateway
        return str(json.load(answer)["url"])


def page_lines(gateway_url: str, key: str) -> Iterator[str]:
    """One line for each account, with a new link. Raises OSError."""
    for account_id, product in ACCOUNTS.items():
        yield _line(f"page of {account_id} ({product})", make_link(gateway_url, key, account_id))


def other_lines(variables: Mapping[str, str], key: str, mails: str) -> Iterator[str]:
    """Where everything else is, from the variables of a stack."""
    gateway = variables["GATEWAY_URL"]
    yield _line("HTTP API", f"{gateway}/docs")
    yield _line("its key, of every scope", key)
    for name, value in variables.items():
        if name.endswith("_HEALTH_URL"):
            yield _line(f"metrics of {name.removesuffix('_HEALTH_URL').lower()}", f"{value}/metrics")
    if "NOTIFIER_HEALTH_URL" in variables:
        yield _line("mails, as files", mails)


def _line(what: str, where: str) -> str:
    return f"  {what:<38} {where}"
