"""How several processes share the files of tests.

A long file that starts last leaves the other processes without work, so the longest start first, and all others follow
in the order of their names. A wrong order costs only time.
"""

# Files that one process runs, one after another: several browsers at once leave so little time to the workers, the
# views and Redis behind their pages that these answer too late.
IN_ONE_PROCESS = "tests/gateway/portal/"

# Each takes about 50 s or more.
LONGEST_FIRST = (
    "tests/lane/test_ends.py",
    "tests/lane/test_exactly_once.py",
    "tests/security/test_missing_rights.py",
    "tests/lane/test_lost_state.py",
    "tests/repair/test_backup.py",
    "tests/views/test_faults.py",
    "tests/repair/test_rebuild.py",
    "tests/lane/test_content.py",
    "tests/lane/test_lag.py",
    "tests/benchmarks/test_on_a_broker.py",
    "tests/lane/test_poison.py",
    "tests/gateway/commands/test_faults.py",
    "tests/gateway/test_every_call.py",
    "tests/repair/test_redrive.py",
    "tests/gateway/http/test_process.py",
    "tests/lane/test_bombs.py",
    "tests/gateway/gate/test_faults.py",
    "tests/gateway/http/test_protocol.py",
    "tests/gateway/streams/test_ends.py",
    "tests/views/test_process.py",
    "tests/test_commands.py",
)


def place_of(name: str) -> int:
    """The place of a file, named from the root of the project."""
    if name.startswith(IN_ONE_PROCESS):
        return -1
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def unit_of(test_id: str) -> str:
    """What one process runs as a whole: a file, or all files that are named above."""
    return IN_ONE_PROCESS if test_id.startswith(IN_ONE_PROCESS) else test_id.partition("::")[0]
