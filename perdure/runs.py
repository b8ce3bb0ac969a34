"""Runs by their names: the ids, what Temporal answers about them, and its errors in the client's own words."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.contract import BadInput, BusinessId, Name, explain
from perdure.contracts.runs.run import FailedRun
from perdure.errors import PlatformError, UnknownRun

Answer = TypeVar("Answer")

TRANSIENT_TRIES = 4
"""How often a call is tried that a server under load refused although nothing is wrong with it."""

_BUSINESS_ID: TypeAdapter[str] = TypeAdapter(BusinessId)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


def workflow_id(tenant: str, business_id: str) -> str:
    """The Temporal workflow id of a run: the tenant is in every key, and ends at the first colon: it can hold none."""
    return f"{tenant}:{business_id}"


def named_by(workflow_id: str) -> tuple[str, str]:
    """The tenant and the business id that a workflow id is made of."""
    tenant, _, business_id = workflow_id.partition(":")
    return tenant, business_id


def checked_id(business_id: str) -> str:
    """A caller's own name for a run. Raises `BadInput` for what cannot be one."""
    try:
        return _BUSINESS_ID.validate_python(business_id)
    except ValidationError as error:
        raise BadInput(f"business_id: {explain(error)}") from None


def checked_name(tenant: str) -> str:
    """A tenant's name. Raises `BadInput` for what cannot be one."""
    try:
        return _NAME.validate_python(tenant)
    except ValidationError as error:
        raise BadInput(f"tenant: {explain(error)}") from None


async def patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """A server under load may answer that the namespace is not found, although it is. The SDK does not retry that."""
    for attempt in range(1, TRANSIENT_TRIES + 1):
        try:
            return await call()
        except RPCError as error:
            namespace_lost = error.status is RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower()
            if not namespace_lost or attempt == TRANSIENT_TRIES:
                raise
        await asyncio.sleep(0.1 * 2**attempt)
    raise AssertionError("the last try returns or raises")


def unknown_or(error: RPCError, business_id: str, tenant: str) -> PlatformError:
    """What a refusal of the server means for this run, in the client's own words."""
    if error.status is RPCStatusCode.NOT_FOUND:
        return UnknownRun(f"tenant {tenant!r} has no run {business_id!r}")
    return PlatformError(f"the Temporal server refused ({error.status.name.lower()}): {error.message}")


def failed_of(error: WorkflowFailureError) -> FailedRun | None:
    """What a run that failed says of itself; None for one that ended otherwise, or before it could say."""
    details = error.cause.details if isinstance(error.cause, ApplicationError) else ()
    try:
        return FailedRun.model_validate(details[0]) if details else None
    except ValidationError:
        return None


def reason_of(error: WorkflowFailureError) -> str:
    """Why a run ended without an outcome, as the rest of a sentence about it."""
    match error.cause:
        case ApplicationError() as cause:
            return f"failed: {cause.message}"
        case CancelledError():
            return "was cancelled before it could say what it had spent"
        case TerminatedError() as cause:
            return f"was terminated: {cause.message}"
        case cause:
            return f"ended without an outcome: {cause}"
