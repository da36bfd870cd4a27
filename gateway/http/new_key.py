"""Makes a key: its text for the caller, and its entry in the file of keys."""

import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from gateway.http.key_file import REQUESTS_PER_S, read_keys

SECRET_BYTES = 32
MODE = 0o600


def add_key(
    path: Path,
    scopes: Sequence[str],
    *,
    key_id: str = "",
    accounts: Sequence[str] = (),
    requests_per_s: int = REQUESTS_PER_S,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Add a key to the file, which is made when it is missing. Returns the key's id and its text, which is nowhere
    else.

    What the file holds already, comments included, stays as it is. Raises KeyFileError when the file, before or after,
    is not usable, and OSError when it cannot be written.
    """
    path = path.resolve()
    before = path.read_bytes() if path.exists() else b""
    text = f"tg_{secrets.token_urlsafe(SECRET_BYTES)}"
    key_id = key_id or f"key-{secrets.token_hex(4)}"
    lines = ["[[key]]", f"id = {json.dumps(key_id)}", f'sha256 = "{sha256(text.encode()).hexdigest()}"']
    lines.append(f"scopes = {json.dumps(list(dict.fromkeys(scopes)))}")
    if accounts:
        lines.append(f"accounts = {json.dumps(list(accounts))}")
    if requests_per_s != REQUESTS_PER_S:
        lines.append(f"requests_per_s = {requests_per_s}")
    if expires_at is not None:
        lines.append(f"expires_at = {expires_at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}")
    separator = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
    after = before + separator + ("\n".join(lines) + "\n").encode()
    read_keys(before, path)
    read_keys(after, path)
    _replace(path, after)
    return key_id, text


def _replace(path: Path, content: bytes) -> None:
    """Replace the file whole: a gateway that reads it meanwhile finds the one or the other."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    mode = path.stat().st_mode & 0o777 if path.exists() else MODE
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
