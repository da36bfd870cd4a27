"""One partition owns an account whole: murmur2 of the key, as Kafka's own clients compute it."""

from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import partitioning

KEYS = st.binary(max_size=200) | st.text("ABCxyz019._:+@-", min_size=1, max_size=128).map(str.encode)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(KEYS)
def test_the_hash_is_kafkas(key: bytes) -> None:
    assert partitioning.murmur2(key) & 0x7FFFFFFF == murmur2(key) & 0x7FFFFFFF


@settings(max_examples=200, deadline=None, derandomize=True)
@given(KEYS, st.integers(1, 64))
def test_a_key_goes_where_a_kafka_client_sends_it(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partitioning.partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


# Kafka's own test vectors (org.apache.kafka.common.utils.UtilsTest), as signed 32-bit integers.
def test_the_vectors_of_kafkas_own_tests() -> None:
    vectors = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {key: partitioning.murmur2(key) - 2**32 * (partitioning.murmur2(key) >> 31) for key in vectors} == vectors
