"""Whether the gateway answers what the topics say: every account, page by page."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from demo.checks.evidence import finding
from demo.checks.rows import SnapshotRow
from devkit.server import HOST, free_port
from gateway.http.new_key import add_key

PAGE = 200
DEADLINE_S = 30


@dataclass(frozen=True, slots=True)
class Api:
    """The gateway of a run, and a key for it."""

    port: int
    health_port: int
    keys: Path
    key: str

    @classmethod
    def on_free_ports(cls, folder: Path) -> Self:
        keys = folder / "api-keys.toml"
        _, key = add_key(keys, ["admin"], key_id="demo")
        return cls(free_port(), free_port(), keys, key)

    def variables(self) -> dict[str, str]:
        """The gateway's own settings. It is plain http, whatever the environment says."""
        return {
            "TOLLGATE_GATEWAY_HOST": HOST,
            "TOLLGATE_GATEWAY_PORT": str(self.port),
            "TOLLGATE_GATEWAY_HEALTH_HOST": HOST,
            "TOLLGATE_GATEWAY_HEALTH_PORT": str(self.health_port),
            "TOLLGATE_GATEWAY_TLS_CERT": "",
            "TOLLGATE_GATEWAY_TLS_KEY": "",
            "TOLLGATE_API_KEYS": str(self.keys),
        }

    def accounts(self) -> dict[str, tuple[int, int]]:
        """Version and balance of every account, as the gateway lists them. Raises OSError."""
        items = (item for page in self._pages() for item in page["items"])
        return {item["account_id"]: (item["version"], item["balance_micros"]) for item in items}

    def _pages(self) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            url = f"http://{HOST}:{self.port}/v1/accounts?limit={PAGE}{cursor}"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.key}"})
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310 our own gateway
                page = json.load(answer)
            yield page
            if "next_cursor" not in page:
                return
            cursor = f"&cursor={page['next_cursor']}"


def wrong_accounts(listed: Mapping[str, tuple[int, int]], snapshots: Mapping[str, SnapshotRow]) -> list[str]:
    """The accounts that the gateway shows otherwise than their latest snapshot, or on one side only."""
    published = {account: (row.version, row.balance_micros) for account, row in snapshots.items()}
    wrong = (account for account in listed.keys() | published.keys() if listed.get(account) != published.get(account))
    return list(finding("accounts that the gateway shows otherwise than the topics", wrong))
