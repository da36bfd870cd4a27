"""What can be read of a `call-started` that is refused, so that it can be answered. Rule X2."""

import hashlib
from dataclasses import dataclass
from typing import Any

from schemas.batch import Headers
from schemas.codec import flat_input, read_field
from schemas.facts import call_in_id
from schemas.inputs import CallId, CallStarted, Direction, Id, Text
from schemas.instant import Instant


@dataclass(frozen=True, slots=True)
class RefusedStart:
    """A refused start. `fact_id` is that of its answer. Fields that are missing or not valid are None."""

    account_id: str
    call_id: str
    fact_id: str
    input_id: str | None
    occurred_at_ms: int | None
    direction: str | None
    from_: str | None
    to: str | None


def read_refused_start(value: bytes | None, headers: Headers = ()) -> RefusedStart | None:
    """The start in a refused record. None for anything else, and for a start without a valid `account_id` or `call_id`:
    nobody could be answered.

    Without a valid `id`, the value's SHA-256 tells one refused start from another.
    """
    flat = flat_input(value, headers)
    if value is None or flat is None or flat.get("type") != _CALL_STARTED:
        return None

    def read(name: str, kind: Any) -> Any:
        return read_field(flat.get(name), kind)

    account_id, call_id, input_id = read("account_id", Id), read("call_id", CallId), read("id", Id)
    if account_id is None or call_id is None:
        return None
    told_by = f"refused/{input_id}" if input_id is not None else f"refused-value/{hashlib.sha256(value).hexdigest()}"
    return RefusedStart(
        account_id,
        call_id,
        f"{account_id}/{call_in_id(call_id)}/{told_by}",
        input_id,
        read("occurred_at", Instant),
        read("direction", Direction),
        read("from", Text),
        read("to", Text),
    )


_CALL_STARTED = str(CallStarted.__struct_config__.tag)
