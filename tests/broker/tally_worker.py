"""A worker as `python -m stream worker` starts it, with the small rule of `tally.py` in place of the product's."""

import asyncio

from stream import log
from stream.settings import Settings
from stream.topology import build_app
from stream.worker import run
from tests.broker.tally import TallyWallets, check_row

if __name__ == "__main__":
    settings = Settings()
    log.configure(settings.log_level)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    run(build_app(settings, wallets=TallyWallets(), check_row=check_row), loop)
