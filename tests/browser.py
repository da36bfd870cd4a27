"""The browser that tests look at pages in."""

import shutil

import pytest

# As distributions and Google name it, the one without windows first.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser's program; without one the tests that need it are skipped, as those of other tools are."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is here: deploy/setup.sh tests installs one")
    return found
