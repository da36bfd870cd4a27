"""A producer that continues whatever happens to the broker, and the expected results of its inputs.

The log counts: an input that the producer wrote twice, because an answer was lost, is two inputs.
"""

import asyncio
import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.wallet.agent import Wallets
from agents.wallet.clock import Timing
from schemas.partitioning import partition_of
from schemas.plan import load_catalogue
from tests.agents.traffic import Traffic
from tests.lane.operator import configure
from tests.lane.stage import PARTITIONS, PRODUCT, SMALL_RULE, Stage
from tests.lane.tally import HEAD, Charge, Deposit, clock_of

ACCOUNTS = 400
BEAT_S = 0.1
# The producer outlives every outage that a campaign makes.
PATIENCE_MS = 300_000
# The topic refuses a larger charge, and so its input is refused.
CHARGE_BYTES_MAX = 100_000
ROW_HEAD_BYTES = 13  # Version, checksum and sequence: they depend on how inputs were batched.

Input = tuple[int | None, bytes, bytes]  # Partition (None: by the key), key, value.
Address = tuple[int, int]  # Partition and offset of an input.


class Expected(NamedTuple):
    """The expected results: facts by topic and key in order, refused inputs, and the contents of the rows by
    partition.
    """

    facts: dict[tuple[str, bytes], list[bytes]]
    refused: Counter[Address]
    rows: dict[tuple[int, str], bytes]
    balances: dict[int, dict[str, int]]


class Load:
    """Inputs at a moderate pace from a thread of its own, from `start` to `stop`."""

    module: Sequence[str]
    settings: dict[str, object]
    topics: tuple[str, ...]
    row_head_bytes: int

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.lost = 0  # Sends whose answer never came.
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="producer of the campaign")

    def prepare(self) -> None:
        """Before the first worker starts."""
        self.stage.create_topics()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def inputs(self) -> Iterable[Input]:
        """Those of one beat."""
        raise NotImplementedError

    def expected(self, inputs: Sequence[ConsumerRecord]) -> Expected:
        """The expected results of the inputs of the log, partition after partition."""
        raise NotImplementedError

    async def look_at(self, consumer: AIOKafkaConsumer) -> None:
        """Read what the next inputs depend on."""

    async def _run(self) -> None:
        topic, sent = self.stage.topic("account-events"), list[asyncio.Future[object]]()
        async with (
            AIOKafkaProducer(
                bootstrap_servers=self.stage.bootstrap, request_timeout_ms=PATIENCE_MS, linger_ms=5
            ) as producer,
            AIOKafkaConsumer(bootstrap_servers=self.stage.bootstrap, isolation_level="read_committed") as consumer,
        ):
            consumer.assign([TopicPartition(self.stage.topic("payment-requests"), n) for n in range(PARTITIONS)])
            while not self._stopping.is_set():
                await self.look_at(consumer)
                for partition, key, value in self.inputs():
                    sent.append(await producer.send(topic, value, key=key, partition=partition))
                await asyncio.sleep(BEAT_S)
            answers = await asyncio.gather(*sent, return_exceptions=True)
        self.lost = sum(isinstance(answer, KafkaError) for answer in answers)


class TallyLoad(Load):
    """Deposits, inputs that are not deposits, and deposits whose charge is too large for its topic."""

    module = SMALL_RULE
    settings: dict[str, object] = {}  # noqa: RUF012 never changed
    topics = ("charges",)
    row_head_bytes = 4  # The checksum.

    def prepare(self) -> None:
        super().prepare()
        configure(self.stage.bootstrap, self.stage.topic("charges"), max_message_bytes=str(CHARGE_BYTES_MAX))

    def inputs(self) -> Iterator[Input]:
        for deposit in self.stage.deposits(self.random.randrange(20), accounts=ACCOUNTS):
            yield None, deposit.account_id.encode(), msgspec.json.encode(deposit)
        roll = self.random.random()
        if roll < 0.1:
            yield self.random.randrange(PARTITIONS), b"k", b"not a deposit"
        elif roll < 0.12:
            large = Deposit(f"large-{self.random.random()}", "a" * CHARGE_BYTES_MAX, 1)
            yield self.random.randrange(PARTITIONS), b"k", msgspec.json.encode(large)

    def expected(self, inputs: Sequence[ConsumerRecord]) -> Expected:
        facts, refused = defaultdict[tuple[str, bytes], list[bytes]](list), Counter[Address]()
        rows, balances = dict[tuple[int, str], bytes](), defaultdict[int, Counter[str]](Counter)
        for record in inputs:
            try:
                deposit = msgspec.json.decode(record.value, type=Deposit)
            except msgspec.DecodeError:
                refused[record.partition, record.offset] += 1
                continue
            if deposit.type != "deposit":
                assert clock_of(deposit)
                continue
            if len(deposit.account_id) >= CHARGE_BYTES_MAX:
                refused[record.partition, record.offset] += 1
                continue
            place = record.partition, deposit.account_id
            _, count, balance = HEAD.unpack(bytes(4) + rows[place]) if place in rows else (0, 0, 0)
            count, balance = count + 1, balance + deposit.amount
            rows[place] = HEAD.pack(0, count, balance)[4:]
            balances[record.partition]["USD"] += deposit.amount
            charge = msgspec.json.encode(Charge(deposit.id, deposit.account_id, count, balance))
            facts["charges", record.key].append(charge)
        return Expected(dict(facts), refused, rows, {n: dict(sums) for n, sums in balances.items()})


class ProductLoad(Load):
    """The product's own traffic, with replies to payments, in a time that only its ticks advance."""

    module = PRODUCT
    settings = {"clock": "simulation"}  # noqa: RUF012 never changed
    topics = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "ledger-entries", "invoices")
    row_head_bytes = ROW_HEAD_BYTES

    def __init__(self, stage: Stage, seed: int) -> None:
        super().__init__(stage, seed)
        self._traffic = Traffic(seed)
        self._opening = [self._traffic.tick(seconds=1), *self._traffic.opening(ACCOUNTS)]

    def inputs(self) -> Iterator[Input]:
        events, self._opening = self._opening[:100], self._opening[100:]
        if not events:
            events = self._traffic.batch(ACCOUNTS, self.random.randrange(20))
        for event in events:
            key, value = str(event["account_id"]).encode(), json.dumps(event).encode()
            places = range(PARTITIONS) if key == b"*" else [partition_of(key, PARTITIONS)]
            yield from ((place, key, value) for place in places)
        if self.random.random() < 0.1:
            yield self.random.randrange(PARTITIONS), b"a1", b"{" * self.random.choice([1, 200_000])

    async def look_at(self, consumer: AIOKafkaConsumer) -> None:
        for records in (await consumer.getmany(timeout_ms=1)).values():
            self._traffic.answers([json.loads(record.value) for record in records])

    def expected(self, inputs: Sequence[ConsumerRecord]) -> Expected:
        """As decided by a single worker that takes one input after another and does all timed work at once."""
        facts, refused = defaultdict[tuple[str, bytes], list[bytes]](list), Counter[Address]()
        rows, balances = dict[tuple[int, str], bytes](), dict[int, dict[str, int]]()
        for partition in range(PARTITIONS):
            own = dict[str, bytes]()
            wallets = Wallets(load_catalogue(), partitions=PARTITIONS, timing=Timing(by_ticks=True))
            wallets.open(partition, own)
            for record in inputs:
                if record.partition != partition:
                    continue
                pending: list[ConsumerRecord] = [record]
                while pending or wallets.overdue(partition):
                    outcome, pending = wallets.decide(partition, pending), []
                    for key, value in outcome.rows:
                        own.pop(key, None) if value is None else own.update({key: value})
                    for output in outcome.outputs:
                        if output.topic == "dead-letters":
                            refused[partition, record.offset] += 1
                        elif output.topic in self.topics:
                            assert output.key is not None
                            assert output.value is not None
                            facts[output.topic, output.key].append(output.value)
            rows |= {(partition, key): value[self.row_head_bytes :] for key, value in own.items()}
            balances[partition] = dict(wallets.balances(partition))
        return Expected(dict(facts), refused, rows, balances)


LOADS: dict[str, type[Load]] = {"tally": TallyLoad, "product": ProductLoad}
