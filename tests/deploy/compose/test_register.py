"""Registering the namespace and the search attributes on an operator's own Temporal server, once."""

import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from deploy.compose.register import register
from deploy.processes.errors import DeployError
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.servers.temporal import TEMPORAL


@pytest_asyncio.fixture(loop_scope="session")
async def bare(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Start a server without the platform's search attributes, and name it in the environment."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL), dev_server_log_level="error"
    ) as environment:
        monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
        yield environment.client


@pytest.mark.usefixtures("bare")
async def test_it_adds_what_is_missing_once() -> None:
    first_report, second_report = await register(), await register()
    assert first_report.endswith(", ".join(key.name for key in SEARCH_ATTRIBUTES))
    assert second_report.endswith("search attributes added: none, all there")


@pytest.mark.usefixtures("bare")
async def test_it_makes_the_namespace_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "ours")
    assert "namespace 'ours' made" in await register()
    assert "namespace 'ours' there already" in await register()


async def test_an_attribute_of_another_type_is_named_with_the_remedy(bare: Client) -> None:
    await bare.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace="default", search_attributes={"CostMicros": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
        )
    )
    with pytest.raises(DeployError, match=r"'CostMicros' is there with another type: remove it first"):
        await register()


async def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with pytest.raises(DeployError, match=f"no Temporal server answers at {address}: start one"):
        await register()


async def test_no_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    with pytest.raises(DeployError, match="set TEMPORAL_ADDRESS"):
        await register()
