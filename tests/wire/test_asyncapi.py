"""asyncapi.yaml names every topic and every type where the code has them, and its references lead somewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.inputs import moves_money
from schemas.wire.generate import fact_types, input_types
from stream.topics import CONTRACT, INPUTS
from tests.wire.published import WIRE

DOCUMENT: dict[str, Any] = yaml.safe_load((WIRE / "asyncapi.yaml").read_text(encoding="utf-8"))
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
TRAITS = "#/components/messageTraits/"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(reference: str) -> Any:
    """What a reference points at; raises KeyError or OSError where it points at nothing."""
    path, _, pointer = reference.partition("#")
    node = json.loads(Path(WIRE / path).read_text(encoding="utf-8")) if path else DOCUMENT
    for step in pointer.split("/")[1:]:
        node = node[step]
    return node


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_a_reference_leads_somewhere(reference: str) -> None:
    assert resolve(reference) is not None


def test_the_channels_are_the_topics() -> None:
    assert {name: channel["address"] for name, channel in CHANNELS.items()} == {t.name: t.name for t in CONTRACT}
    for topic in CONTRACT:
        kafka = CHANNELS[topic.name]["bindings"]["kafka"]
        assert kafka["topicConfiguration"]["cleanup.policy"] == ["compact" if topic.compacted else "delete"]


def test_each_channel_carries_the_types_that_the_code_puts_there() -> None:
    carried: dict[str, set[str]] = {topic.name: set() for topic in CONTRACT}
    carried[INPUTS] = set(input_types())
    carried["dead-letters"] = {"dead-letter"}
    for name, kind in fact_types().items():
        for topic in kind.topics:
            carried[topic].add(name)
    assert {name: set(channel["messages"]) for name, channel in CHANNELS.items()} == carried
    for channel in CHANNELS.values():
        for name, message in channel["messages"].items():
            assert message == {"$ref": f"#/components/messages/{name}"}


def test_each_message_has_the_schema_of_its_name() -> None:
    assert set(MESSAGES) == {*input_types(), *fact_types(), "dead-letter"}
    for name, message in MESSAGES.items():
        assert message["name"] == name
        if name != "dead-letter":
            assert message["payload"] == {"$ref": f"./{name}.schema.json"}


def test_what_must_be_signed_says_so() -> None:
    for name in input_types():
        trait = "signed-input" if moves_money(name) else "input"
        assert MESSAGES[name]["traits"] == [{"$ref": f"{TRAITS}{trait}"}]
    for name in fact_types():
        assert MESSAGES[name]["traits"] == [{"$ref": f"{TRAITS}event"}]


def test_the_engine_takes_inputs_and_publishes_everything_else() -> None:
    directions = {op["channel"]["$ref"].rpartition("/")[2]: op["action"] for op in DOCUMENT["operations"].values()}
    assert directions == {t.name: "receive" if t.name == INPUTS else "send" for t in CONTRACT}
