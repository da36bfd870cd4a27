"""The keys that callers use: who holds one, what it may do, and for which accounts."""

import re
from dataclasses import dataclass

from gateway.http.problem import no_such_account
from gateway.http.scopes import ADMIN

_ACCOUNT = re.compile(r"[A-Za-z0-9._:+@-]{1,128}")


@dataclass(frozen=True, slots=True)
class Key:
    """A valid key. `accounts` holds exact ids and prefixes that end in `*`; None means every account, and an empty
    tuple none. `expires_at_ms` is on the wall clock.
    """

    id: str
    sha256: str
    scopes: frozenset[str]
    accounts: tuple[str, ...] | None = None
    requests_per_s: int = 100
    expires_at_ms: int | None = None

    @property
    def rights(self) -> object:
        """Who the key is and what it may do."""
        return self.id, self.scopes, self.accounts

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    def reaches(self, account_id: str) -> bool:
        """Whether the key may see and change the account. No key reaches `*`, which stands for all of a partition."""
        if account_id == "*":
            return False
        return self.accounts is None or any(_covers(given, account_id) for given in self.accounts)


def check_account(key: Key, account_id: str) -> None:
    """Raises Problem for an account of a path that the key does not reach, and for what is no account's id."""
    if not (_ACCOUNT.fullmatch(account_id) and key.reaches(account_id)):
        raise no_such_account()


def _covers(given: str, account_id: str) -> bool:
    return account_id.startswith(given[:-1]) if given.endswith("*") else account_id == given


# What calls that need no key have in its place.
NOBODY = Key("", "", frozenset(), ())
