"""The version of the project. Only pyproject.toml states it."""

from importlib.metadata import PackageNotFoundError, version


def project_version() -> str:
    """The version as installed, or `source` for a source tree that was never installed."""
    try:
        return version("tollgate")
    except PackageNotFoundError:
        return "source"
