"""Options of all tests."""

import os
import sys

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="crash, damage and soak tests with many more rounds"
    )
    parser.addoption(
        "--soak", type=float, metavar="SECONDS", help="how long the window is used at random"
    )


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether tests that come in a short and a long version run the long one."""
    return bool(request.config.getoption("--long"))


_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Ends the process at once, with pytest's status: the whole suite was seen to crash while the
    interpreter is taken down, after all was told, from a cause not found yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)
