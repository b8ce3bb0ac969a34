"""When a run goes on in a new execution: before its history grows too long, and only where nothing can be lost."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

LEAST_EVENTS = 32
"""An execution that has done nothing yet is not continued, however much was handed to it: beginning takes fewer."""


def was_continued() -> bool:
    """Whether this execution goes on from what an earlier one of its run has handed over, and not from a client's word.

    A client may have its run retried: an execution after the first attempt was started as the one before it was, which
    either had gone on from another, or holds the client's own input. The latter is refused for good in its first
    attempt. So it can only have a second where a run timeout ended the first before anybody looked.
    """
    info = workflow.info()
    if info.continued_run_id is None or info.cron_schedule:
        return False
    timeout, whole = info.run_timeout, info.execution_timeout
    return info.attempt == 1 or not timeout or (whole is not None and timeout >= whole)


def bad_request(reason: str) -> ApplicationError:
    """What fails a run at its start for good, whatever retries its client has asked for."""
    return ApplicationError(reason, type="BadRequest", non_retryable=True)


def should_continue() -> bool:
    """Whether the server wants a new execution, and nothing stands in the way but what the run itself has under way.

    A decision that is being taken is answered first. A run that is being cancelled ends here: the next execution would
    not hear of it.
    """
    info = workflow.info()
    return (
        info.is_continue_as_new_suggested()
        and info.get_current_history_length() > LEAST_EVENTS
        and workflow.all_handlers_finished()
        and workflow.cancellation_reason() is None
    )
