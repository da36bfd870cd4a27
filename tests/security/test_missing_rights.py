"""Without any one of its rights a process ends with status 78 and a line that names the right: a worker, an adapter,
views, a gateway, a notifier.

Takes about a minute on an idle machine: for each of more than a hundred rights a process runs as a user who has all
the others.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from agents.notifier import rights as notifier_rights
from agents.views import rights as views_rights
from gateway import rights as gateway_rights
from payments.adapter import rights as adapter_rights
from stream import rights
from stream.fail_stop import Exit
from stream.rights import Right, Rights
from tests.security.place import AT_ONCE, Place, each_name, refusal_of, settings_of
from tests.security.secured_broker import CANARY

pytestmark = pytest.mark.timeout(600)
NAME = "cases"
NEEDED: dict[str, Rights] = {
    "worker": rights.worker(settings_of(NAME)),
    "payments run": adapter_rights.adapter(settings_of(NAME)),
    "views": views_rights.views(settings_of(NAME)),
    "gateway": gateway_rights.gateway(settings_of(NAME)),
    "notifier": notifier_rights.notifier(settings_of(NAME)),
}


@dataclass(frozen=True)
class Case:
    command: str
    user: str
    missing: Right

    def __str__(self) -> str:
        return f"{self.command}, {self.missing.operation.name} on {self.missing.kind} {self.missing.names[0]}"


CASES = [
    Case(command, f"{command.split()[0]}-{number}", right)
    for command, needed in NEEDED.items()
    for number, right in enumerate(each_name(needed))
]


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, tuple[int, str]]]:
    place = Place(tmp_path_factory.mktemp("rights"), [case.user for case in CASES])
    with place.broker:
        place.topics(NAME)
        for case in CASES:
            others = [right for right in each_name(NEEDED[case.command]) if right != case.missing]
            place.grant(case.user, tuple(others))

        def end(case: Case) -> tuple[int, str]:
            return place.ended(case.command, NAME, place.login(case.user))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield dict(zip(CASES, pool.map(end, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_missing_right_is_named_and_needs_a_person(case: Case, endings: dict[Case, tuple[int, str]]) -> None:
    status, output = endings[case]
    assert status == Exit.PERSON, output
    last = output.splitlines()[-1]
    assert refusal_of(case.missing) in last
    assert case.user in last
    assert output.count("may not ") == 1
    assert "Traceback" not in output
    assert CANARY not in output
