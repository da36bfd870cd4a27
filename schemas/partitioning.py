"""The partition of an account: murmur2 of its key, Kafka's default."""

from functools import lru_cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF
_KEYS_REMEMBERED_MAX = 131_072


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition to which Kafka's Java client, and every compatible client, sends `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash as Kafka computes it."""
    length = len(key)
    hashed = _SEED ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        hashed = (hashed * _MULTIPLIER & _MASK) ^ word
    rest = key[whole:]
    if rest:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    return hashed ^ hashed >> 15
