"""An unforeseen error is shown by its type and its place only, in the history and in every log."""

import logging

import pytest
from pydantic import BaseModel
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.interceptors.every_effect import EffectInterceptor

MARK = "hunter2"


class Count(BaseModel):
    many: int


def _validated() -> object:
    return Count.model_validate({"many": MARK})


def _chained() -> object:
    try:
        return _validated()
    except ValueError as error:
        raise RuntimeError(f"of {MARK}") from error


def _refused() -> object:
    raise ApplicationError("said so", type="Kind", non_retryable=True)


class Broken(ActivityInboundInterceptor):
    """An activity that calls the only argument of its input."""

    def __init__(self) -> None:
        pass

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        return input.args[0]()


async def run(what: object) -> ApplicationError:
    call = ExecuteActivityInput(fn=lambda: None, args=[what], executor=None, headers={})
    with pytest.raises(ApplicationError) as failed:
        await ActivityEnvironment().run(EffectInterceptor().intercept_activity(Broken()).execute_activity, call)
    return failed.value


@pytest.mark.parametrize(("what", "kind"), [(_validated, "ValidationError"), (_chained, "RuntimeError")])
async def test_an_unforeseen_error_shows_nothing_of_what_it_was_about(
    what: object, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await run(what)
    assert (error.type, error.non_retryable) == (kind, False), "it is tried again as before"
    assert f"{kind} at " in error.message
    assert ".py:" in error.message
    # This is how the SDK logs it.
    try:
        raise error
    except ApplicationError:
        logging.getLogger("temporalio.activity").warning("Completing activity as failed", exc_info=True)
    assert "Completing" in caplog.text
    assert MARK not in caplog.text + repr(error) + str(error.__cause__)


async def test_what_an_activity_says_itself_stays_as_it_is() -> None:
    error = await run(_refused)
    assert (error.message, error.type, error.non_retryable) == ("said so", "Kind", True)
