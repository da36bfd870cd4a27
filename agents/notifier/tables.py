"""The tables of the file that TOLLGATE_NOTIFY names, as values. No `repr` shows a secret."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agents.notifier.event_types import MAILED_TYPES, resolve

# The name is part of the keys of rows, where a slash separates it, and the label of metrics.
Name = Annotated[str, Meta(pattern=r"^[\w.:+@#-]+( [\w.:+@#-]+)*\Z", max_length=64)]
Account = Annotated[str, Meta(pattern=r"^([A-Za-z0-9._:+@-]{1,128}|[A-Za-z0-9._:+@-]{0,128}\*)\Z")]
Types = Annotated[tuple[str, ...], Meta(min_length=1)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Secret = Annotated[str, Meta(max_length=500)]

SECRETS_MAX = 3


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""

    def __repr__(self) -> str:
        """Only the name: an address may hold a token, and a value may be a secret."""
        return f"{type(self).__name__}({getattr(self, 'name', '')!r})"


class Email(Table, frozen=True, kw_only=True):
    """`[email]`: the mail server, and what is mailed. `password_file` is absolute, or relative to the file."""

    host: Text
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_file: Path | None = None
    from_: Text = msgspec.field(name="from")
    reply_to: Text | None = None
    operator: Text | None = None
    types: Types | None = None

    @property
    def asked(self) -> frozenset[str]:
        """The types that are mailed."""
        return MAILED_TYPES if self.types is None else resolve(self.types) & MAILED_TYPES


class Brand(Table, frozen=True, kw_only=True):
    """`[brand]`: how mails look. None comes from the issuer's file."""

    name: Text | None = None
    colour: Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}\Z")] | None = None
    logo: Path | None = None
    portal_url: Annotated[str, Meta(pattern=r"^https?://\S+\Z")] | None = None
    support_email: Text | None = None


class Webhook(Table, frozen=True, kw_only=True):
    """`[[webhook]]`: an address that takes signed events. `secret` has one to three secrets, the newest first."""

    name: Name
    url: Text
    secret: Secret | Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=SECRETS_MAX)]
    types: Types
    accounts: tuple[Account, ...] | None = None
    allow_private: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.secret,) if isinstance(self.secret, str) else self.secret


class Apprise(Table, frozen=True, kw_only=True):
    """`[[apprise]]`: a channel of the operator. `url` is a secret: it holds the channel's token."""

    name: Name
    url: Text
    types: Types
    accounts: tuple[Account, ...] | None = None
    audience: Literal["owner", "operator"] | None = None


class NotifyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file, checked."""

    email: Email | None = None
    brand: Brand = Brand()
    webhook: tuple[Webhook, ...] = ()
    apprise: tuple[Apprise, ...] = ()


def covers(accounts: Iterable[str] | None, account_id: str) -> bool:
    """Whether `accounts` holds the account: exact ids and prefixes that end in `*`; None is every account."""
    if accounts is None:
        return True
    return any(account_id.startswith(one[:-1]) if one.endswith("*") else account_id == one for one in accounts)
