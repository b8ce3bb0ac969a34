"""When a run goes on in a new execution: before its history grows too long, and only where nothing can be lost."""

from temporalio import workflow

LEAST_EVENTS = 32
"""An execution that has done nothing yet is not continued, however much was handed to it."""


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
