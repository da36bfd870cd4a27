"""The limit of a process, which no test reaches with connections."""

import hashlib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.http.key_file import KeyRing
from gateway.http.keys import Key
from gateway.http.problem import Problem
from gateway.log.reader import LogReader
from gateway.settings import Settings
from gateway.streams.frame import TYPES
from gateway.streams.streams import PER_ACCOUNT_MAX, PER_KEY_MAX, PER_PROCESS_MAX, Streams


async def test_a_process_has_at_most_10_000_streams(tmp_path: Path) -> None:
    assert (PER_ACCOUNT_MAX, PER_KEY_MAX, PER_PROCESS_MAX) == (20, 200, 10_000)
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(51)]
    file = tmp_path / "keys.toml"
    entry = '[[key]]\nid = "k{}"\nsha256 = "{}"\nscopes = ["admin"]\n'
    file.write_text("".join(entry.format(number, digest) for number, digest in enumerate(hashes)))
    keys = [Key(f"k{number}", digest, frozenset({"admin"})) for number, digest in enumerate(hashes)]
    registry = CollectorRegistry()
    streams = Streams(KeyRing(file, lambda _: None), LogReader(Settings(api_keys=file)), registry)
    opened = [
        streams.open(f"account-{number // PER_ACCOUNT_MAX}", keys[number // PER_KEY_MAX], TYPES)
        for number in range(PER_PROCESS_MAX)
    ]
    for _ in range(2):
        with pytest.raises(Problem) as refused:
            streams.open("one-more", keys[50], TYPES)
        assert (refused.value.code, dict(refused.value.headers)) == ("rate_limited", {"Retry-After": "5"})
    assert registry.get_sample_value("tollgate_gateway_streams") == 10_000
    opened[0].close()
    streams.open("one-more", keys[50], TYPES).close()
    for stream in opened:
        stream.close()
    assert registry.get_sample_value("tollgate_gateway_streams") == 0
    assert registry.get_sample_value("tollgate_gateway_streams_refused_total") == 2
    assert registry.get_sample_value("tollgate_gateway_streams_ended_total", {"why": "client"}) == 10_001
