"""Signatures on inputs that move money, so that a system that may report calls cannot add money."""

import hashlib
import hmac
from collections.abc import Sequence

from schemas.batch import Headers

HEADER = "signature"
_SCHEME = "v1="


def sign(value: bytes, key: bytes) -> bytes:
    """The header's value for a record's value: `v1=` and the HMAC-SHA-256 in hexadecimal."""
    return f"{_SCHEME}{hmac.new(key, value, hashlib.sha256).hexdigest()}".encode()


def is_signed(value: bytes, headers: Headers, keys: Sequence[bytes]) -> bool:
    """Whether any of `keys` signed the value. Several keys are in force while keys are rotated."""
    given = [text for name, text in headers if name == HEADER and text is not None]
    return any(hmac.compare_digest(text, sign(value, key)) for text in given for key in keys)
