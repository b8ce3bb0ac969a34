"""Temporal's plugin for the platform, which clients, workers and replayers all use."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter, ExternalStorage
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkerConfig,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from perdure.contracts.fault import Fault
from perdure.contracts.runs.run import RunRequest
from perdure.contracts.temporal.converter import data_converter
from workflows.agent import Agent
from workflows.agent_parts.continue_as_new import bad_request
from workflows.chain import Chain
from workflows.extraction import Extraction
from workflows.runner import Sandbox

CHAINS: Sequence[type] = (Chain, Extraction)
"""Workflow types whose runs take seconds to minutes."""

AGENTS: Sequence[type] = (Agent,)
"""Workflow types whose runs take minutes to weeks; they have workers of their own."""

WORKFLOWS: Sequence[type] = (*CHAINS, *AGENTS)
"""Every workflow type of the platform."""

PASSED_THROUGH = (
    "perdure",
    "workflows.agent_parts",
    "workflows.effect",
    "workflows.effects",
    "workflows.run",
    "workflows.state_machines",
)
"""Modules that the sandbox does not load again for each run: contracts alone cost 55 ms a run. Linters guard them."""

STICKY_TIMEOUT = timedelta(seconds=2)
"""The time that a run waits for its dead worker. With less than 2 s a busy worker would replay healthy runs whole."""

EXTERNAL_FROM = 1_900_000
"""The payload size, in bytes, from which a payload is stored outside the history: just below the server's 2 MiB.

The results that callers get stay inline."""


class OneRequest(Interceptor):
    """Checks every start, signal and update of a run before its workflow sees them.

    A start must have one request, of the tenant that its workflow id names; any other start fails the run with the
    reason. A signal or update must have one input: another number would fail the workflow task again and again. Such an
    update is rejected, and such a signal reaches its handler with an empty payload, which the run records.
    """

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        return OneRequestInbound


class OneRequestInbound(WorkflowInboundInterceptor):
    """The interceptor of `OneRequest` that runs inside the workflow."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if len(input.args) != 1 or not isinstance(input.args[0], RunRequest):
            raise bad_request(f"the run was started with {len(input.args)} inputs: send exactly one request object")
        objection = _objection(workflow.info(), input.args[0])
        if objection:
            raise bad_request(objection)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        if len(input.args) != 1:
            # The handler takes one input: another number would fail the workflow task again and again.
            input.args = [RawValue(Payload())]
        await super().handle_signal(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        if len(input.args) != 1:
            raise ApplicationError(
                f"the update {input.update!r} came with {len(input.args)} inputs: send exactly one object",
                type="BadInput",
                non_retryable=True,
            )
        super().handle_update_validator(input)


def _objection(run: workflow.Info, request: RunRequest) -> str | None:
    """Return why a run must not start, or None where it may."""
    if run.cron_schedule:
        # All repetitions have the first execution's run id, so they would reuse its keys of paid and written steps.
        return (
            f"the run is repeated by a cron schedule ({run.cron_schedule!r}), and would be given what its first time "
            "bought and wrote: terminate it, and create a schedule, whose runs have names of their own"
        )
    if not run.workflow_id.startswith(f"{request.tenant}:"):
        # The id decides who may see and control a run; the tenant of its request, what it reads, writes and spends.
        return (
            f"the run {run.workflow_id!r} was started for the tenant {request.tenant!r}: "
            f"start it under an id that begins with '{request.tenant}:'"
        )
    return None


class PerdurePlugin(SimplePlugin):
    """Sets the data converter, the interceptor, the sandbox, the failure types and the sticky timeout.

    `external_storage` is for workers and replayers only: clients send and read their payloads inline.
    """

    def __init__(self, external_storage: ExternalStorage | None = None) -> None:
        def converter(_: DataConverter | None) -> DataConverter:
            return dataclasses.replace(data_converter, external_storage=external_storage)

        super().__init__(
            "perdure",
            data_converter=converter,
            interceptors=[OneRequest()],
            workflow_runner=_sandbox,
            workflow_failure_exception_types=[Fault],
        )

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config = super().configure_worker(config)
        config["sticky_queue_schedule_to_start_timeout"] = STICKY_TIMEOUT
        return config


def _sandbox(_: WorkflowRunner | None) -> WorkflowRunner:
    """Return Temporal's sandbox, set to raise an error for an import that is not in `PASSED_THROUGH`."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Sandbox(
        restrictions=dataclasses.replace(
            restrictions, import_notification_policy=SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
        )
    )
