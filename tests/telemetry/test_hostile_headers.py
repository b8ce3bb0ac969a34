"""A start with an invalid trace header runs as any other."""

import asyncio
import uuid

import pytest
from temporalio.api.common.v1 import Header, Payload, Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client

from perdure.contracts.runs.run import AskRequest, RunResult
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.text import Text
from workflows.trace_headers import TRACE

JUNK = (
    Payload(),
    Payload(metadata={"encoding": b"json/plain"}, data=b'{"traceparent": 7}'),
    Payload(metadata={"encoding": b"json/plain"}, data=b"[1"),
)


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize("junk", JUNK, ids=["nothing", "a number", "half a list"])
async def test_a_run_goes_on_whatever_trace_it_is_told_to_belong_to(client: Client, junk: Payload) -> None:
    run = f"default:{uuid.uuid4().hex}"
    ask = AskRequest(question=Text.of("How many weeks of parental leave are paid in full?"))
    await client.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=run,
            workflow_type=WorkflowType(name="chain"),
            task_queue=TaskQueue(name=Queue.PLATFORM),
            input=Payloads(payloads=await client.data_converter.encode([ask])),
            request_id=run,
            header=Header(fields={TRACE: junk}),
        )
    )
    handle = client.get_workflow_handle(run, result_type=RunResult)
    assert await asyncio.wait_for(handle.result(), 60)
    events = (await handle.fetch_history()).events
    assert not [event for event in events if event.HasField("workflow_task_failed_event_attributes")]
