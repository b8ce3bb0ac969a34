"""Temporal's sandbox, made cheaper: payloads are converted without entering it, a dozen times a step of an agent."""

from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import CommandType
from temporalio.converter import (
    SerializationContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    WorkflowSerializationContext,
)
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workflows.trace_headers import drop_unreadable

OWN = (
    None,
    CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
)
"""The commands whose payloads belong to the run itself. None stands for payloads of signals, updates and queries.

The payloads of other commands may belong to another run: a child, or a run that gets a signal."""


class Sandbox(SandboxedWorkflowRunner):
    """Temporal's sandbox runner. Its instances answer outside of the sandbox which run a payload belongs to."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Instance(super().create_instance(det), det.info)


class _Instance(WorkflowInstance):
    """A run in the sandbox.

    For each payload the SDK asks for a serialization context, which names its activity. Our storage signs payloads for
    a run and not for an activity, so all payloads of a run share one context, made once. A converter that depends on
    the activity would need the inner instance's context instead.
    """

    def __init__(self, inner: WorkflowInstance, info: workflow.Info) -> None:
        self._inner = inner
        self._context = WorkflowSerializationContext(namespace=info.namespace, workflow_id=info.workflow_id)
        self._store_context = StorageDriverStoreContext(
            target=StorageDriverWorkflowInfo(
                namespace=info.namespace, id=info.workflow_id, run_id=info.run_id, type=info.workflow_type
            )
        )

    def activate(self, act: Any) -> Any:
        drop_unreadable(act)
        return self._inner.activate(act)

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        if _kind(command_info) in OWN:
            return self._context
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        if _kind(command_info) in OWN:
            return self._store_context
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()


def _kind(command_info: Any) -> Any:
    return None if command_info is None else command_info.command_type
