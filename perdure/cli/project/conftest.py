"""Names this project's folders for the stack of the tests."""

from pathlib import Path

import pytest

pytest_plugins = ["perdure.testing.fixtures"]

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def perdure_agents() -> Path:
    """The agents and chains."""
    return HERE / "agents"


@pytest.fixture(scope="session")
def perdure_tools() -> Path:
    """The tools."""
    return HERE / "tools"


@pytest.fixture(scope="session")
def perdure_documents() -> Path:
    """The documents."""
    return HERE / "documents"


@pytest.fixture(scope="session")
def perdure_collection() -> str:
    """The collection that the documents become."""
    return "club"
