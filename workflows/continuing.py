"""When a run goes on in a new execution: before its history grows too long, and only where nothing can be lost."""

from temporalio import workflow

LEAST_EVENTS = 32
"""An execution that has done nothing yet is not continued, however much was handed to it: beginning takes fewer."""


def was_continued() -> bool:
    """Whether an earlier execution of this run has ended to go on in this one.

    A client that starts a run may have it retried, or repeated by a calendar: such an execution has an earlier one too,
    and takes the client's own input again.
    """
    info = workflow.info()
    return info.continued_run_id is not None and info.attempt == 1 and not info.cron_schedule


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
