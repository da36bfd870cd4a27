"""The keys of Redis that the gateway writes. All are below a prefix that the views leave alone."""

_PREFIX = "tg:1:gw:"


def account_key(account_id: str, name: str) -> str:
    """A key of one account. The braces keep the account's keys together in a cluster."""
    return f"{_PREFIX}{{{account_id}}}:{name}"


def shared_key(name: str) -> str:
    """A key of no account."""
    return f"{_PREFIX}{name}"
