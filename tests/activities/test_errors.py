"""Which failures of a paid attempt are known to be free of charge."""

from activities import ports
from activities.ports import (
    BadCaller,
    CallerAwaited,
    CircuitOpen,
    ModelOverloaded,
    ModelRefused,
    ModelUnreachable,
    ModelUnusable,
    NotConfigured,
    NotThisRun,
    PortError,
    PromptTooLarge,
    WindowSpent,
)


def test_only_what_fails_before_a_model_works_is_free() -> None:
    errors = [error for error in vars(ports).values() if isinstance(error, type) and issubclass(error, PortError)]
    assert len(errors) > 8
    assert {error for error in errors if error.free_of_charge} == {
        BadCaller,
        CallerAwaited,
        CircuitOpen,
        ModelOverloaded,
        ModelRefused,
        ModelUnreachable,
        ModelUnusable,
        NotConfigured,
        NotThisRun,
        PromptTooLarge,
        WindowSpent,
    }
