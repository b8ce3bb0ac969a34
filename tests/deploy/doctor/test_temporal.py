"""What doctor says about a real Temporal server: fine, and with each thing really wrong."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.adapters.temporal.worker_versions import build_id
from activities.settings import Settings, Work
from deploy.compose.register import register
from deploy.doctor import temporal
from deploy.doctor.finding import Check, Finding, State
from deploy.doctor.temporal import TEMPORAL
from perdure.contracts.temporal.queues import Queue
from tests.deploy.doctor.conftest import Findings
from tests.support.servers.temporal import TEMPORAL as SERVER
from tests.support.servers.temporal_tls import cloud_like
from tests.support.waiting import until
from workflows.plugin import CHAINS, PerdurePlugin

Look = Callable[[], Awaitable[dict[str, Finding]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare() -> AsyncIterator[Client]:
    """A server without our search attributes, in the namespace `default`."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(SERVER), dev_server_log_level="error"
    ) as environment:
        yield environment.client


@pytest.fixture(autouse=True)
def address(bare: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("TEMPORAL_ADDRESS", bare.service_client.config.target_host)


@pytest.fixture
def look(settings: Settings, findings: Findings) -> Look:
    async def found(checks: tuple[Check, ...] = (TEMPORAL,)) -> dict[str, Finding]:
        return await asyncio.to_thread(findings, settings, *checks)

    return found


async def look_until(look: Look, true: Callable[[dict[str, Finding]], bool]) -> dict[str, Finding]:
    """Look again and again, since a server tells a little later what was done to it."""
    last: dict[str, Finding] = {}

    async def seen() -> bool:
        nonlocal last
        last = await look()
        return true(last)

    await until(seen, what="doctor sees it", every=0.2)
    return last


async def test_missing_attributes_and_workers_are_named_and_nothing_is_wrong_once_they_are_there(
    bare: Client, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await look()
    assert found["temporal"].state is State.OK
    assert "namespace 'default'" in found["temporal"].what
    assert found["temporal version"].state is State.OK
    assert found["search attributes"].state is State.WRONG
    assert "lacks Tenant, Agent" in found["search attributes"].what
    assert found["search attributes"].remedy == "run `python -m deploy.compose register`"
    assert (found["workers"].state, found["temporal clock"].state) == (State.WARN, State.SKIPPED)

    await register()
    plugged = await Client.connect(bare.service_client.config.target_host, plugins=[PerdurePlugin()])
    async with Worker(plugged, task_queue=Queue.PLATFORM, workflows=CHAINS):
        found = await look_until(look, lambda found: found["workers"].state is State.OK)
        assert {finding.state for finding in found.values()} == {State.OK, State.SKIPPED}
        assert found["temporal clock"].state is State.OK

        class Slow(datetime):
            """The clock of a machine that is an hour behind."""

            @classmethod
            def now(cls, tz: object = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
                del tz
                return datetime.now(UTC) - timedelta(hours=1)

        monkeypatch.setattr(temporal, "datetime", Slow)
        late = (await look())["temporal clock"]
        assert late.state is State.WRONG
        assert "ahead of this machine" in late.what


async def test_an_attribute_of_another_type_is_named_with_the_commands(
    bare: Client, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "typed")
    await register()
    # Another namespace of the same server, in which one attribute was made by hand.
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "by-hand")
    command = ["operator", "namespace", "create", "--namespace", "by-hand"]
    target = bare.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        SERVER, *command, "--address", target, "--disable-config-env", stdout=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), 60) == 0
    request = AddSearchAttributesRequest(
        namespace="by-hand", search_attributes={"CostMicros": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    )
    async with asyncio.timeout(60):
        while True:
            try:
                await bare.operator_service.add_search_attributes(request)
                break
            except Exception:  # noqa: BLE001 - the server does not know the new namespace yet
                await asyncio.sleep(0.5)
    every = await look_until(look, lambda found: "another type" in found["search attributes"].what)
    found = every["search attributes"]
    assert found.state is State.WRONG
    assert found.what.startswith("CostMicros have another type")
    assert "search-attribute remove --namespace by-hand --name CostMicros" in found.remedy
    assert "create --namespace by-hand --name CostMicros --type Int" in found.remedy


async def test_an_unknown_namespace_and_a_dead_port_are_different_lines(
    look: Look, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    found = (await look())["temporal"]
    assert found.state is State.WRONG
    assert "namespace create --namespace nowhere" in found.remedy
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{dead}")
    every = await look()
    assert every["temporal"].state is State.WRONG
    assert f"127.0.0.1:{dead}" in every["temporal"].what
    assert {finding.state for name, finding in every.items() if name != "temporal"} == {State.SKIPPED}


async def test_through_tls_with_an_api_key_doctor_looks_too_and_a_wrong_key_is_said(
    bare: Client, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud_like(tmp_path, bare.service_client.config.target_host, api_key="right") as front:
        for name, value in front.environment().items():
            monkeypatch.setenv(name, value)
        found = await look()
        assert found["temporal"].state is State.OK
        assert "by a query" in found["search attributes"].what or "tcld" in found["search attributes"].remedy
        monkeypatch.setenv("TEMPORAL_API_KEY", "wrong")
        assert (await look())["temporal"].state is State.WRONG


async def test_versions_of_workers_that_nobody_made_current_are_told(settings: Settings, findings: Findings) -> None:
    versioned = settings.model_copy(update={"work": Work(deployment="perdure")})
    found = (await asyncio.to_thread(findings, versioned, TEMPORAL))["worker versions"]
    assert found.state is State.WRONG
    assert found.remedy.endswith(f"`perdure versions use {build_id()}`")


async def test_a_configuration_of_temporal_that_cannot_be_read_is_said_without_its_content(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\napi_key = "a-secret-key\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    every = await look()
    assert every["temporal"].state is State.WRONG
    assert "TEMPORAL_CONFIG_FILE" in every["temporal"].remedy
    assert "a-secret-key" not in "".join(finding.line for finding in every.values())
