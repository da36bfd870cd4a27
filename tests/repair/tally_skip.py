"""`tollgate skip` with the small rule of `tests/lane/tally.py`: PARTITION OFFSET REASON [--yes]."""

import sys

from stream import log
from stream.repair.failure import RepairError, run
from stream.repair.skip import skip
from stream.settings import Settings
from stream.topology import Tollgate, build_app
from tests.lane.tally import TallyWallets, check_row


def tally(settings: Settings) -> Tollgate:
    return build_app(settings, wallets=TallyWallets(), check_row=check_row)


if __name__ == "__main__":
    log.configure("info")
    partition, offset, reason, *rest = sys.argv[1:]
    work = skip(Settings(), int(partition), int(offset), reason, yes=rest == ["--yes"], make_worker=tally)
    try:
        run(work)
    except RepairError as error:
        print(f"skip: {error}", file=sys.stderr)
        sys.exit(error.status)
