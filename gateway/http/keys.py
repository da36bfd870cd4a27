"""The keys that callers use: who holds one, what it may do, and for which accounts."""

from dataclasses import dataclass

from gateway.http.scopes import ADMIN


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

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    def reaches(self, account_id: str) -> bool:
        """Whether the key may see and change the account. No key reaches `*`, which stands for all of a partition."""
        if account_id == "*":
            return False
        return self.accounts is None or any(_covers(given, account_id) for given in self.accounts)


def _covers(given: str, account_id: str) -> bool:
    return account_id.startswith(given[:-1]) if given.endswith("*") else account_id == given


# What calls that need no key have in its place.
NOBODY = Key("", "", frozenset(), ())
