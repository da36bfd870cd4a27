"""The headers of a webhook by Standard Webhooks 1.0.0."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from agents.notifier.file_checks import SECRET_PREFIX


def signed_headers(message_id: str, now_s: int, body: bytes, secrets: Iterable[str]) -> Mapping[str, str]:
    """`webhook-id`, `webhook-timestamp` and a signature with each of the secrets."""
    signed = f"{message_id}.{now_s}.".encode() + body
    signatures = (_signature(signed, secret) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }


def _signature(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
