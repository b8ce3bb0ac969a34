"""Pytest fixtures that give tests a stack: `pytest_plugins = ["perdure.testing.fixtures"]` in a `conftest.py`.

The checkout is named by `--perdure-checkout`, or by `perdure_checkout` in pytest's configuration, relative to that
file's folder. Override `perdure_agents`, `perdure_tools`, `perdure_schemas`, `perdure_documents`, `perdure_collection`
or `perdure_settings` in your own `conftest.py` to change the stack.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from perdure.testing.checkout import Checkout
from perdure.testing.stack import RunningStack, embedded_stack
from perdure.testing.stub import StubModel, stub_model

__all__ = [
    "perdure_agents",
    "perdure_checkout",
    "perdure_collection",
    "perdure_documents",
    "perdure_schemas",
    "perdure_settings",
    "perdure_stack",
    "perdure_stub",
    "perdure_tools",
    "pytest_addoption",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the checkout."""
    about = "the checkout of Perdure that perdure.testing starts"
    parser.getgroup("perdure").addoption("--perdure-checkout", metavar="FOLDER", help=about)
    parser.addini("perdure_checkout", about)


@pytest.fixture(scope="session")
def perdure_checkout(request: pytest.FixtureRequest) -> Checkout:
    """The checkout whose stack the tests use."""
    folder = request.config.getoption("perdure_checkout") or request.config.getini("perdure_checkout")
    if not folder:
        raise pytest.UsageError("name the checkout of Perdure: --perdure-checkout=FOLDER, or perdure_checkout = FOLDER")
    return Checkout(request.config.rootpath / str(folder))


@pytest.fixture(scope="session")
def perdure_agents() -> Path | Sequence[Path]:
    """Your folder of agents' specs, or several, beside the checkout's own. Override it to test yours."""
    return ()


@pytest.fixture(scope="session")
def perdure_tools() -> Path | Sequence[Path]:
    """Your folder of tools, or several, beside the checkout's own. Override it to test yours."""
    return ()


@pytest.fixture(scope="session")
def perdure_schemas() -> Path | Sequence[Path]:
    """Your folder of schemas, or several, beside the checkout's own. Override it to test yours."""
    return ()


@pytest.fixture(scope="session")
def perdure_documents() -> Path | None:
    """A folder of documents that becomes the collection; None for none. Override it for your documents."""
    return None


@pytest.fixture(scope="session")
def perdure_collection() -> str:
    """The collection that the documents become. Override it for the one that your chains and agents name."""
    return "handbook"


@pytest.fixture(scope="session")
def perdure_settings() -> Mapping[str, str]:
    """More `PERDURE_` settings for the stack."""
    return {}


@pytest.fixture(scope="session")
def perdure_stack(  # noqa: PLR0917 - pytest passes fixtures by name
    perdure_checkout: Checkout,
    perdure_agents: Path | Sequence[Path],
    perdure_tools: Path | Sequence[Path],
    perdure_schemas: Path | Sequence[Path],
    perdure_documents: Path | None,
    perdure_collection: str,
    perdure_settings: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningStack]:
    """One stack for the test session. Its logs stay in pytest's temporary folder."""
    with embedded_stack(
        perdure_checkout,
        state=tmp_path_factory.mktemp("perdure-stack"),
        agents=perdure_agents,
        tools=perdure_tools,
        schemas=perdure_schemas,
        documents=perdure_documents,
        collection=perdure_collection,
        settings=perdure_settings,
    ) as stack:
        yield stack


@pytest.fixture
def perdure_stub(perdure_checkout: Checkout, tmp_path: Path) -> Iterator[StubModel]:
    """A stub model for one test, with an empty bill."""
    with stub_model(perdure_checkout, folder=tmp_path) as stub:
        yield stub
