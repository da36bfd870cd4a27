"""The files of tests that take longest, longest first: each takes about 50 s or more.

Several processes share the files. A long file that starts last leaves the other processes without work, so these start
first, and all others follow in the order of their names. A wrong order costs only time.
"""

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
