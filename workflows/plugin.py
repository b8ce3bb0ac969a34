"""The platform as one Temporal plugin, for clients, workers and replayers alike."""

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
"""Runs of seconds to minutes."""

AGENTS: Sequence[type] = (Agent,)
"""Runs of minutes to weeks, which have workers of their own."""

WORKFLOWS: Sequence[type] = (*CHAINS, *AGENTS)
"""Every workflow type of the platform."""

PASSED_THROUGH = (
    "perdure",
    "workflows.agent_parts.progress",
    "workflows.agent_parts.compacting",
    "workflows.agent_parts.continue_as_new",
    "workflows.agent_parts.decisions",
    "workflows.effect",
    "workflows.effects",
    "workflows.run.outages",
    "workflows.run.paid",
    "workflows.run.progress",
    "workflows.run.cancellation",
    "workflows.run.repair",
    "workflows.state_machines",
    "workflows.run.timeline",
    "workflows.agent_parts.tool_calls",
)
"""Modules that are not loaded anew for each run: contracts cost 55 ms a run otherwise. Linters guard them instead."""

STICKY_TIMEOUT = timedelta(seconds=2)
"""How long a dead worker's runs wait for it. Below 2 s an overloaded worker would replay healthy runs whole."""

EXTERNAL_FROM = 1_900_000
"""Bytes, just below the server's limit of 2 MiB: what a caller gets stays inline, and only the rest leaves history."""


class OneRequest(Interceptor):
    """A run starts once, with one request of its id's own tenant, and is told one thing at a time.

    A start that is not so fails the run with the reason. Of another number of inputs, which would fail a task for ever,
    an update is refused, and a signal is recorded as an unknown one.
    """

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        return OneRequestInbound


class OneRequestInbound(WorkflowInboundInterceptor):
    """The workflow side of `OneRequest`."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if len(input.args) != 1 or not isinstance(input.args[0], RunRequest):
            raise bad_request(f"the run was started with {len(input.args)} inputs: send exactly one request object")
        objection = _objection(workflow.info(), input.args[0])
        if objection:
            raise bad_request(objection)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        if len(input.args) != 1:
            # The handler takes one: another number of inputs would fail the run's task for ever.
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
    """Why a run must not begin, whoever started it; None where nothing stands in the way."""
    if run.cron_schedule:
        # Every repetition has the first one's execution id, and with it the keys of all that was paid and written.
        return (
            f"the run is repeated by a cron schedule ({run.cron_schedule!r}), and would be given what its first time "
            "bought and wrote: terminate it, and create a schedule, whose runs have names of their own"
        )
    if not run.workflow_id.startswith(f"{request.tenant}:"):
        # Who may start, see and decide runs is told by their ids; what they read, write and spend by the request.
        return (
            f"the run {run.workflow_id!r} was started for the tenant {request.tenant!r}: "
            f"start it under an id that begins with '{request.tenant}:'"
        )
    return None


class PerdurePlugin(SimplePlugin):
    """Converter, sandbox, failure types, workflows and sticky timeout in one place.

    `external_storage` is for workers and replayers only: what a caller sends and gets stays inline.
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
    """Temporal's sandbox, in which an import that nobody meant to pass through is an error."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Sandbox(
        restrictions=dataclasses.replace(
            restrictions, import_notification_policy=SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
        )
    )
