"""An API key for whoever started a stack."""

import base64
import hashlib
import secrets
from pathlib import Path


def make_key(file: Path) -> str:
    """Write a key file with one key of every scope, and return the key."""
    key = "tg_" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    digest = hashlib.sha256(key.encode()).hexdigest()
    file.write_text(f'[[key]]\nid = "stack"\nsha256 = "{digest}"\nscopes = ["admin"]\n', encoding="utf-8")
    return key
