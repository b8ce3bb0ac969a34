"""Runs by their ids, Temporal's answers about them, and its errors as errors of the client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.contract import BadInput, BusinessId, Name, explain
from perdure.contracts.runs.run import FailedRun
from perdure.contracts.temporal.connecting import namespace_lost, refused
from perdure.errors import NoServer, PlatformError, UnknownRun

Answer = TypeVar("Answer")

TRANSIENT_TRIES = 4
"""The most attempts of a call that a server under load refuses although it is valid."""

_BUSINESS_ID: TypeAdapter[str] = TypeAdapter(BusinessId)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


def workflow_id(tenant: str, business_id: str) -> str:
    """Return the Temporal workflow id of a run. The tenant is in every key, and ends at the first colon."""
    return f"{tenant}:{business_id}"


def split_workflow_id(workflow_id: str) -> tuple[str, str]:
    """Return the tenant and the business id that a workflow id consists of."""
    tenant, _, business_id = workflow_id.partition(":")
    return tenant, business_id


def checked_id(business_id: str, where: str = "business_id") -> str:
    """Return a valid business id. Raises `BadInput` for an invalid one, an empty one too: it is not a missing one."""
    try:
        return _BUSINESS_ID.validate_python(business_id)
    except ValidationError as error:
        raise BadInput(f"{where}: {explain(error).removeprefix('input: ')}") from None


def checked_name(tenant: str) -> str:
    """Return a valid tenant's name. Raises `BadInput` for an invalid one."""
    try:
        return _NAME.validate_python(tenant)
    except ValidationError as error:
        raise BadInput(f"tenant: {explain(error).removeprefix('input: ')}") from None


async def retry_lost_namespace(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Make a call, and retry it where a server under load wrongly answers that the namespace is not found.

    The SDK does not retry that answer. Raises `NoServer` where the server refuses every call of this connection.
    """
    for attempt in range(1, TRANSIENT_TRIES + 1):
        try:
            return await call()
        except RPCError as error:
            if not namespace_lost(error) or attempt == TRANSIENT_TRIES:
                raise refusal(error) or error from None
        await asyncio.sleep(0.1 * 2**attempt)
    raise AssertionError("the last try returns or raises")


def client_error(error: RPCError, business_id: str | None = None, tenant: str = "default") -> PlatformError:
    """Return the client's error for a Temporal error; `business_id` is the run that the call was about."""
    if business_id is not None and error.status is RPCStatusCode.NOT_FOUND and not namespace_lost(error):
        return UnknownRun(f"tenant {tenant!r} has no run {business_id!r}")
    unexplained = PlatformError(f"the Temporal server refused ({error.status.name.lower()}): {error.message}")
    return refusal(error) or unexplained


def refusal(error: RPCError) -> NoServer | None:
    """Return the client's error where the server refuses the key, the namespace or the caller; None for any other."""
    why = refused(error)
    return None if why is None else NoServer(str(why), why.reason)


def cannot_list(error: RPCError, what: str) -> PlatformError:
    """Return the client's error where the server cannot list something."""
    return refusal(error) or PlatformError(f"the Temporal server cannot list {what}: {error.message}")


def failure_details(error: WorkflowFailureError) -> FailedRun | None:
    """Return the details of a failed run; None for another ending, or where the run could not report them."""
    details = error.cause.details if isinstance(error.cause, ApplicationError) else ()
    try:
        return FailedRun.model_validate(details[0]) if details else None
    except ValidationError:
        return None


def failure_reason(error: WorkflowFailureError) -> str:
    """Return why a run ended without an outcome, as the rest of a sentence about it."""
    match error.cause:
        case ApplicationError() as cause:
            return f"failed: {cause.message}"
        case CancelledError():
            return "was cancelled before it could say what it had spent"
        case TerminatedError() as cause:
            return f"was terminated: {cause.message}"
        case cause:
            return f"ended without an outcome: {cause}"
