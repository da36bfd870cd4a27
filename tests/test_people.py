"""docs/people.md has every topic and its retention, and `redact` every field that could hold a person's data."""

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec.inspect import StrType, UnionType, type_info

from backoffice.redact import REPLACED
from schemas.inputs import AnyInput
from stream import topics
from tests.test_reference_tables import kept

PAGE = (Path(__file__).resolve().parents[1] / "docs/people.md").read_text(encoding="utf-8")
# Text of any kind that is no person's: ids of ours and of the provider, names of plans and zones, codes of declines.
NOT_PERSONAL = {"payment_id", "plan", "provider_reference", "time_zone"}


def test_the_page_has_each_topic_of_the_contract_and_how_long_it_is_kept() -> None:
    cells = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
    rows = {row[1].strip("`"): row[-2] for row in cells if re.fullmatch(r"`[a-z-]+`", row[1])}
    assert rows == {topic.name: kept(topic) for topic in topics.CONTRACT}


def test_every_field_of_free_text_is_replaced_in_a_redacted_file_or_known_to_be_no_person_s() -> None:
    fields = [field for kind in AnyInput.__args__ for field in msgspec.structs.fields(kind)]
    names = {field.encode_name for field in fields if _is_text(field.type)}
    assert names - REPLACED.keys() == NOT_PERSONAL
    assert REPLACED.keys() <= {field.encode_name for field in fields}


def _is_text(kind: Any) -> bool:
    """Whether a value may hold a blank: ids and words of the contract cannot."""
    info = type_info(kind)
    options = info.types if isinstance(info, UnionType) else (info,)
    return any(isinstance(one, StrType) and (one.pattern is None or re.search(one.pattern, "a b")) for one in options)
