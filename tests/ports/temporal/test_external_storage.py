"""A large payload is stored as a blob under the tenant of its run, and only that run reads it back."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.converter import ExternalStorage
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Replayer, Worker

from activities.adapters.databases.database import Database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.adapters.temporal.payload_storage import payload_storage
from perdure.contracts.runs.run import RunRequest
from perdure.contracts.temporal.references import is_reference
from tests.support.runs.hostile_payloads import KEPT, genuine_references
from tests.support.runs.large_payload import SIZE, Carry, Load, MeasureALot, turn, write_a_lot
from tests.support.waiting import until
from workflows.plugin import EXTERNAL_FROM, PerdurePlugin

BODY = "abc" * KEPT


def storage(database: Database, threshold: int = KEPT) -> ExternalStorage:
    return payload_storage(SqlBlobs(database), PayloadKeys([], database), threshold)


async def connected(client: Client, stored: ExternalStorage) -> Client:
    return await Client.connect(client.service_client.config.target_host, plugins=[PerdurePlugin(stored)])


async def tenants(database: Database) -> Sequence[str]:
    query = text("SELECT DISTINCT tenant FROM bodies")
    return [row.tenant for row in await database.read(lambda connection: connection.execute(query).all())]


async def test_a_payload_over_the_servers_limit_leaves_the_history(client: Client, database: Database) -> None:
    working = await connected(client, storage(database, EXTERNAL_FROM))
    queue = str(uuid.uuid4())
    async with Worker(working, task_queue=queue, workflows=[MeasureALot], activities=[write_a_lot]):
        handle = await working.start_workflow(MeasureALot.run, RunRequest(), id=f"default:{queue}", task_queue=queue)
        assert await handle.result() == SIZE
    assert len((await handle.fetch_history()).to_json()) < SIZE // 10
    query = text("SELECT tenant, length(body) AS size FROM bodies")
    rows = await database.read(lambda connection: connection.execute(query).all())
    assert len(rows) == 1
    assert rows[0].tenant == "default"
    assert rows[0].size > SIZE


@pytest.mark.parametrize("remembered", [1000, 0], ids=["remembered", "replaying at every task"])
async def test_a_body_comes_back_every_way_that_payloads_go(
    client: Client, database: Database, reopened: Database, remembered: int
) -> None:
    working = await connected(client, storage(database))
    queue = str(uuid.uuid4())
    run = f"acme:{queue}"
    async with Worker(working, task_queue=queue, workflows=[Carry], activities=[turn], max_cached_workflows=remembered):
        handle = await working.start_workflow(Carry.run, Load(body=BODY), id=run, task_queue=queue)
        assert await handle.result() == BODY
        assert await handle.query(Carry.echo, BODY) == BODY
    assert await tenants(database) == ["acme"]
    replayer = Replayer(workflows=[Carry], plugins=[PerdurePlugin(storage(reopened))])
    for number in (handle.result_run_id, None):
        history = await client.get_workflow_handle(run, run_id=number).fetch_history()
        assert BODY not in history.to_json()
        await replayer.replay_workflow(history)


async def test_a_reset_run_reads_what_was_written_for_it(client: Client, database: Database) -> None:
    working = await connected(client, storage(database))
    queue = str(uuid.uuid4())
    run = f"acme:{queue}"
    async with Worker(working, task_queue=queue, workflows=[Carry], activities=[turn]):
        handle = await working.start_workflow(Carry.run, Load(body=BODY, executions=1), id=run, task_queue=queue)
        assert await handle.result() == BODY
        tasks = [event.event_id for event in (await handle.fetch_history()).events if task_completed(event)]
        await working.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=working.namespace,
                workflow_execution=WorkflowExecution(workflow_id=run, run_id=handle.result_run_id or ""),
                workflow_task_finish_event_id=tasks[1],
                request_id=queue,
                reason="a test",
            )
        )
        assert await working.get_workflow_handle(run, result_type=str).result() == BODY


def task_completed(event: HistoryEvent) -> bool:
    return event.HasField("workflow_task_completed_event_attributes")


async def test_what_was_written_for_one_run_starts_no_other(client: Client, database: Database) -> None:
    working = await connected(client, storage(database))
    queue = str(uuid.uuid4())
    async with Worker(working, task_queue=queue, workflows=[Carry], activities=[turn]):
        for other in (f"acme:{queue}-other", f"globex:{queue}"):
            load = Load(body=BODY, executions=1)
            handle = await working.start_workflow(Carry.run, load, id=f"acme:{queue}", task_queue=queue)
            await handle.result()
            [started, *_] = (await handle.fetch_history()).events
            [written] = started.workflow_execution_started_event_attributes.input.payloads
            assert is_reference(written)
            stolen = await client.start_workflow("Carry", RawValue(written), id=other, task_queue=queue)
            with pytest.raises(WorkflowFailureError) as failed:
                await stolen.result(rpc_timeout=timedelta(seconds=20))
            assert isinstance(failed.value.cause, ApplicationError)
            assert failed.value.cause.type == "BadRequest"
            assert "no worker signed it for this run" in failed.value.cause.message
            tasks = [event for event in (await stolen.fetch_history()).events if task_failed(event)]
            assert not tasks


@activity.defn(name="write_a_lot")
async def leave_it_to_others() -> str:
    activity.raise_complete_async()


async def test_an_effect_that_somebody_else_completes_with_a_reference_fails_its_run_with_the_reason(
    client: Client, database: Database
) -> None:
    stored = storage(database)
    working = await connected(client, stored)
    queue = str(uuid.uuid4())
    run = f"acme:{queue}"
    forged = (await genuine_references(SqlBlobs(database), PayloadKeys([], database), run)).foreign
    async with Worker(working, task_queue=queue, workflows=[MeasureALot], activities=[leave_it_to_others]):
        handle = await working.start_workflow(MeasureALot.run, RunRequest(tenant="acme"), id=run, task_queue=queue)
        effect = client.get_async_activity_handle(workflow_id=run, run_id=None, activity_id="1")

        async def completed() -> bool:
            try:
                await effect.complete(RawValue(forged))
            except RPCError:
                return False
            return True

        await until(completed, what="the effect waits for whoever completes it")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result(rpc_timeout=timedelta(seconds=20))
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "UnreadablePayload"
    assert not [event for event in (await handle.fetch_history()).events if task_failed(event)]


def task_failed(event: HistoryEvent) -> bool:
    return event.HasField("workflow_task_failed_event_attributes")
