"""A start that would mix up runs or tenants fails with the reason, whatever client sends it."""

import uuid
from typing import Any

import pytest
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from perdure.contracts.chains.steps import DocumentFile
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.text import Text
from tests.support.servers.stub_model import StubModel
from workflows.plugin import WORKFLOWS

pytestmark = pytest.mark.usefixtures("working")

FILE = DocumentFile(name="note.txt", text=Text.of("Invoice 7.")).model_dump(mode="json")

REQUESTS: dict[str, dict[str, Any]] = {
    "chain": {"question": "Who cleans the pond?"},
    "extraction": {"schema_name": "invoice", "file": FILE},
    "agent": {"task": "Clean the pond.", "agent": "operations"},
}
"""A request for every type of run."""

every_type = pytest.mark.parametrize("kind", REQUESTS)


def queue_of(kind: str) -> Queue:
    """Return the task queue on which runs of a type start."""
    return Queue.AGENTS if kind == "agent" else Queue.PLATFORM


def test_these_are_the_types_of_runs_that_there_are() -> None:
    assert set(REQUESTS) == {each.__name__.lower() for each in WORKFLOWS}


async def failure_reason(client: Client, kind: str, request: dict[str, Any], **start: Any) -> str:
    """Start a run that must fail without a retry, and return why it failed."""
    with pytest.raises(WorkflowFailureError) as failure:
        await client.execute_workflow(kind, request, **start)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("BadRequest", True)
    return cause.message


@every_type
@pytest.mark.parametrize(
    ("owner", "tenant"),
    [("acme:", "globex"), ("acme:", None), ("", "acme"), ("acme", "acme"), ("acme-2:", "acme"), (" acme:", "acme")],
    ids=["another", "the default", "none", "no colon", "a longer name", "a space before it"],
)
async def test_a_run_belongs_to_the_tenant_that_its_id_names_or_fails_at_its_start(
    client: Client, stub: StubModel, kind: str, owner: str, tenant: str | None
) -> None:
    key = f"{owner}{uuid.uuid4()}"
    named = {} if tenant is None else {"tenant": tenant}
    reason = await failure_reason(client, kind, {**REQUESTS[kind], **named}, id=key, task_queue=queue_of(kind))
    expected_tenant = tenant or "default"
    assert f"the run {key!r} was started for the tenant {expected_tenant!r}" in reason
    assert f"begins with '{expected_tenant}:'" in reason
    assert stub.calls == 0


@every_type
async def test_a_run_that_a_cron_repeats_does_nothing_and_says_each_time_that_a_schedule_would(
    client: Client, environment: WorkflowEnvironment, stub: StubModel, kind: str
) -> None:
    key = f"default:{uuid.uuid4()}"
    with environment.with_time_skipping_disabled():
        handle = await client.start_workflow(
            kind, REQUESTS[kind], id=key, task_queue=queue_of(kind), cron_schedule="@every 1s"
        )
        try:
            first = client.get_workflow_handle(key, run_id=handle.first_execution_run_id)
            # A cron continues after a failure, so a client that waits for the result is not told of it.
            with pytest.raises(WorkflowContinuedAsNewError):
                await first.result(follow_runs=False)
            failed = (await first.fetch_history()).events[-1].workflow_execution_failed_event_attributes
            assert failed.failure.application_failure_info.type == "BadRequest"
            assert "terminate it, and create a schedule" in failed.failure.message
            assert stub.calls == 0
        finally:
            await client.get_workflow_handle(key).terminate()
