"""Options of all tests."""

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
