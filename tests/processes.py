"""Safe inspection of other processes, any of which may end between two calls."""

from collections.abc import Iterable

import psutil

GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


def children(pid: int) -> dict[psutil.Process, str]:
    """The children of a process and their command lines."""
    found = {}
    for child in psutil.Process(pid).children():
        try:
            found[child] = " ".join(child.cmdline())
        except GONE:  # Some are short-lived, such as the one that formats Kafka's storage.
            continue
    return found


def any_runs(processes: Iterable[psutil.Process]) -> bool:
    """Whether any of them runs. An ended process that was not yet waited for is a zombie and does not run."""
    return any(_runs(process) for process in processes)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except GONE:
        return False
