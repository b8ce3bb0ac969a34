"""Clients, workers, the command line and `register` work through TLS and an API key, without an operator service."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.adapters.temporal.search_attributes import attributes_notice, compare_attributes, tcld, temporal
from activities.settings import ROOT, Settings, environment_with
from deploy.compose.register import register
from deploy.local.stack.temporal import OWN_ADDRESS
from deploy.processes.errors import DeployError
from perdure.cli.exits import Exit
from perdure.client import Platform
from perdure.contracts.temporal.connection import connect_config
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from perdure.errors import NoServer
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL
from tests.support.servers.temporal_tls import CloudLike, cloud_like
from tests.support.waiting import until

KEY = "a-key-of-the-test"

VARIABLES = ("ADDRESS", "API_KEY", "TLS", "TLS_SERVER_CA_CERT_PATH", "TLS_CLIENT_CERT_PATH", "TLS_CLIENT_KEY_PATH")


@pytest.fixture(scope="module")
def names() -> list[str]:
    return [key.name for key in SEARCH_ATTRIBUTES]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare() -> AsyncIterator[Client]:
    """A real server that has none of our search attributes yet."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL), dev_server_log_level="error"
    ) as environment:
        yield environment.client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cloud(bare: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CloudLike]:
    address = bare.service_client.config.target_host
    with cloud_like(tmp_path_factory.mktemp("tls"), address, api_key=KEY) as started:
        yield started


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"TEMPORAL_{name}", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)


@pytest.fixture
def configured(cloud: CloudLike, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)


async def register_as_administrator(server: Client, names: tuple[str, ...]) -> None:
    """Run the command that is shown, on the server itself."""
    command = temporal("default", names).split()[1:]
    where = "--address", server.service_client.config.target_host, *OWN_ADDRESS
    process = await asyncio.create_subprocess_exec(TEMPORAL, *command, *where)
    assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.usefixtures("configured")
async def test_where_attributes_can_only_be_registered_by_others_the_command_for_it_is_shown_once(
    bare: Client, names: list[str]
) -> None:
    client = await Client.connect(**connect_config())
    attributes = await compare_attributes(client)
    assert (attributes.missing, attributes.by_query) == (tuple(names), True)
    line = await attributes_notice(client)
    assert line is not None
    assert tcld("default", tuple(names)) in line
    with pytest.raises(DeployError, match="refuses its operator service") as refused:
        await register()
    assert all(f'"{name}=' in str(refused.value) for name in names)

    # The command for a server of one's own works as it is shown, for whoever may use it.
    assert line.endswith(f"`{temporal('default', attributes.missing)}`")
    await register_as_administrator(bare, attributes.missing)

    async def all_there() -> bool:
        return not (await compare_attributes(client)).missing

    await until(all_there, what="the server knows the new attributes", every=0.5)
    assert await attributes_notice(client) is None
    report = await register()
    assert report.endswith("namespace 'default' there already; search attributes added: none, all there")


async def test_a_chain_runs_through_tls_with_a_worker_and_a_command_line_that_know_only_temporals_settings(
    bare: Client, cloud: CloudLike, settings: Settings, stub: StubModel, tmp_path: Path
) -> None:
    if missing := (await compare_attributes(bare)).missing:  # where this test runs by itself
        await register_as_administrator(bare, missing)
    log = tmp_path / "worker.log"
    variables = cloud.environment(
        PERDURE_PATHS__STATE=str(settings.paths.state),
        PERDURE_MODEL__ENDPOINTS=f'{{"fast": "{stub.url}", "strong": "{stub.url}"}}',
        PERDURE_TELEMETRY__TRACES="false",
    )
    with log.open("wb") as out:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "worker.py"), cwd=ROOT, env=environment_with(**variables), stdout=out, stderr=out
        )
        try:
            await until(lambda: worker.returncode is not None or "ready: " in log.read_text(), what="a worker")
            # The same by a file of Temporal's configuration, as operators keep it.
            file = cloud.file(tmp_path / "temporal.toml")
            asked = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "perdure.cli", "ask", "How many weeks of parental leave are paid?"),
                *("--id", f"cloud-{uuid.uuid4().hex[:8]}", "--within", "2m"),
                cwd=ROOT,
                env=environment_with(TEMPORAL_CONFIG_FILE=str(file)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            _, errors = await asyncio.wait_for(asked.communicate(), 180)
        finally:
            worker.terminate()
            await asyncio.wait_for(worker.wait(), 60)
    # The run has an outcome; on a busy machine a guard may still be loading, and then it refuses.
    assert asked.returncode in (Exit.DONE, Exit.NOT_ANSWERED), (errors.decode(), log.read_text())
    assert b"retrieve" in errors
    assert "search attributes: " not in log.read_text()


@pytest.mark.parametrize(
    "wrong", ["TEMPORAL_API_KEY", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"]
)
async def test_a_client_without_its_key_or_certificate_is_not_served(
    cloud: CloudLike, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = cloud.environment()
    if wrong == "TEMPORAL_API_KEY":
        variables[wrong] = "another-key"
    else:
        del variables[wrong]
        variables.pop("TEMPORAL_TLS_CLIENT_KEY_PATH" if "CLIENT" in wrong else wrong, None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NoServer):
        await Platform.connect()


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "UNIMPLEMENTED"])
async def test_each_way_of_refusing_the_operator_service_is_understood(
    bare: Client, tmp_path: Path, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud_like(tmp_path, bare.service_client.config.target_host, refuses=status) as front:
        for name, value in front.environment().items():
            monkeypatch.setenv(name, value)
        assert (await compare_attributes(await Client.connect(**connect_config()))).by_query
