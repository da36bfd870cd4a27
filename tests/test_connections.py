"""Every client of Kafka is made with the one connection, so none can forget TLS, the user or the guard."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.settings import Settings
from stream.topology import build_app
from tests.test_tidy import PACKAGES, found, imports_of, modules, name_of, tree_of

CONNECTION = "stream/connection.py"
CLIENTS = frozenset({"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient", "GroupMember"})
# Arguments that only the connection gives, and the function that only it may call.
OF_THE_CONNECTION = frozenset({"bootstrap_servers", "security_protocol", "ssl_context", "api_version"})
# Measures what Faust does without us, on a broker of its own.
PLAIN_FAUST = "benchmarks/plain_faust.py"


def problems(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the words of each client that is made in another way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and str(node.value).startswith("kafka://"):
            yield node.lineno, "Faust makes clients of its own for kafka://"
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "create_conn":
            yield node.lineno, "a connection is made without a client"
        if name not in CLIENTS:
            continue
        spread = [word.value for word in node.keywords if word.arg is None]
        if not any(isinstance(value, ast.Attribute) and value.attr == "options" for value in spread):
            yield node.lineno, f"{name} is made without **connection.options"
        for word in node.keywords:
            if word.arg in OF_THE_CONNECTION or (word.arg or "").startswith("sasl_"):
                yield node.lineno, f"{name} is given {word.arg}, which the connection gives"


def product_modules() -> list[Path]:
    return [path for path in modules(*PACKAGES) if not name_of(path).startswith("tests/")]


def test_every_client_of_redis_is_made_by_its_connection() -> None:
    files = product_modules()
    makers = {name_of(path) for path in files for _, module in imports_of(path) if module == "redis.asyncio"}
    assert makers == {"stream/redis_connection.py"}


def test_every_client_is_made_with_the_connection() -> None:
    files = product_modules()
    others = [path for path in files if name_of(path) not in {CONNECTION, PLAIN_FAUST}]
    assert len(others) > 100
    found(f"{name_of(path)}:{line}: {problem}" for path in others for line, problem in problems(tree_of(path)))


@pytest.mark.parametrize(
    "code",
    [
        "AIOKafkaConsumer(bootstrap_servers='a')",
        "AIOKafkaProducer(**options)",
        "aiokafka.AIOKafkaClient(**c.options, bootstrap_servers='a')",
        "AIOKafkaAdminClient(**c.options, sasl_mechanism='PLAIN')",
        "faust.App('x', broker='kafka://a')",
        "f'kafka://{a}'",
        "conn.create_conn('a', 1)",
    ],
)
def test_the_rule_finds_a_client_that_is_made_in_another_way(code: str) -> None:
    assert list(problems(ast.parse(code)))


def test_the_rule_passes_a_client_with_the_connection() -> None:
    assert not list(problems(ast.parse("AIOKafkaConsumer('t', **settings.connection.options, client_id='a')")))


def test_faust_takes_no_setting_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """There they would take precedence: another broker URL makes clients in plain text, other acks lose ticks."""
    monkeypatch.setenv("BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv("BROKER_PRODUCER_URL", "kafka://elsewhere:2")
    monkeypatch.setenv("PRODUCER_ACKS", "0")
    conf = build_app(Settings(bootstrap_servers="here:1, there:2")).conf
    urls = {str(url) for urls in (conf.broker, conf.broker_consumer, conf.broker_producer) for url in urls}
    assert urls == {"tollgate://here:1", "tollgate://there:2"}
    assert conf.producer_acks == -1
