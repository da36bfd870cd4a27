"""The page of topics, from the declared topics and the types of the events."""

from deploy.reference.markdown import code, page, table
from deploy.reference.words import TEXT, WORDS
from payments.adapter import topics as adapter_topics
from payments.settings import Settings as PaymentSettings
from schemas.wire.generate import fact_types
from stream.settings import Settings
from stream.topics import CONTRACT, DAY_MS, DEAD_LETTERS, INPUTS, KEPT_FOR_EVER, Topic, declared


def topics_page() -> str:
    carried: dict[str, list[str]] = {topic.name: [] for topic in CONTRACT}
    for name, kind in sorted(fact_types().items()):
        for topic in kind.topics:
            carried[topic].append(f"[{name}](events.md#{name})")
    carried[INPUTS] = ["[all inputs](inputs.md)"]
    carried[DEAD_LETTERS] = ["[dead letters](dead-letters.md)"]
    return page(
        "Topics",
        TEXT["topics"],
        "## Contract",
        table(
            ("topic", "direction", "kept", "holds"),
            (
                (f"[`{t.name}`](#{t.name})", "in" if t.name == INPUTS else "out", kept(t), WORDS["topics"][t.name])
                for t in CONTRACT
            ),
        ),
        *(part for topic in CONTRACT for part in _section(topic, carried[topic.name])),
        _own_topics(),
    )


def kept(topic: Topic, key: str = "account") -> str:
    """How long records stay."""
    if topic.compacted:
        return f"the newest of each {key}"
    return "for ever" if topic.retention_ms == KEPT_FOR_EVER else f"{topic.retention_ms // DAY_MS} days"


def _section(topic: Topic, carries: list[str]) -> tuple[str, ...]:
    return (
        f"### {topic.name}",
        WORDS["topics"][topic.name],
        f"Carries: {', '.join(carries)}",
        table(("setting on the broker", "value"), ((code(k), code(v)) for k, v in sorted(topic.config().items()))),
    )


def _own_topics() -> str:
    """Topics that hold the state of a process. Nothing else may read or write them."""
    ours = declared(Settings.model_construct())
    needed = adapter_topics.needed(PaymentSettings.model_construct())
    contract = {topic.name for topic in CONTRACT}
    own = {name: topic for name, topic in {**ours, **needed}.items() if topic.name not in contract}
    return "\n\n".join(
        [
            "## State",
            TEXT["own_topics"],
            table(
                ("topic", "process", "kept"),
                (
                    (code(name), "worker" if name in ours else "payment adapter", kept(topic, "key"))
                    for name, topic in sorted(own.items())
                ),
            ),
        ]
    )
