"""Whether Redis holds, for every account, what the topics say."""

from agents.views.audit import Audit, Result
from agents.views.settings import Settings
from agents.views.store import Store
from demo.checks.evidence import finding
from stream.redis_connection import connect

# How long a Redis that does not answer is asked.
PATIENCE_S = 10.0


async def compare(settings: Settings) -> Result:
    """Compare once the views have caught up, as `tollgate views verify` does. Raises what it raises."""
    store = Store(connect(settings), PATIENCE_S)
    try:
        async with Audit(settings, store) as opened:
            return await opened.verify()
    finally:
        await store.close()


def differences(result: Result) -> list[str]:
    return list(finding("keys of Redis that differ from the topics", map(str, result.differences)))
