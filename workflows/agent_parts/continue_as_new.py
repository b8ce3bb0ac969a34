"""Decides when a run continues as new: before its history is too long, and only where nothing can be lost."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

LEAST_EVENTS = 32
"""The history length, in events, up to which an execution is not continued: its beginning alone takes fewer."""


def was_continued() -> bool:
    """Return whether the input of this execution comes from continue-as-new, and not from a client.

    A client may give its run a retry policy: a retried execution has the input of the attempt before, which came from
    continue-as-new or from the client. A client's input is refused for good in its first attempt. So a second attempt
    can only hold one where a run timeout ended the first before the check.
    """
    info = workflow.info()
    if info.continued_run_id is None or info.cron_schedule:
        return False
    timeout, whole = info.run_timeout, info.execution_timeout
    return info.attempt == 1 or not timeout or (whole is not None and timeout >= whole)


def bad_request(reason: str) -> ApplicationError:
    """Return the error that fails a run at its start for good, whatever retry policy its client has set."""
    return ApplicationError(reason, type="BadRequest", non_retryable=True)


def should_continue() -> bool:
    """Return whether the server suggests a new execution, no handler is running and the run is not being cancelled.

    A decision in progress is answered first. A run that is being cancelled ends in this execution: the next one would
    not get the cancellation. The caller checks the steps of the run itself.
    """
    info = workflow.info()
    return (
        info.is_continue_as_new_suggested()
        and info.get_current_history_length() > LEAST_EVENTS
        and workflow.all_handlers_finished()
        and workflow.cancellation_reason() is None
    )
