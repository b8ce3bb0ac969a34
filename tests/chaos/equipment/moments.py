"""The moments at which a worker is killed: at events of the history, and between events, seen by bill and table."""

from perdure.testing.kills import reached
from tests.chaos.equipment.trial import Moment, Run
from tests.support.waiting import until


def at_event(number: int) -> Moment:
    """Kill when this event of the run's history appears, or the last one if the run has fewer."""

    async def moment(run: Run) -> str:
        return str(await reached(run.handle, number))

    return moment


async def attempt_recorded(run: Run) -> str:
    """Kill when the attempt is in the table; the call follows."""
    await _attempts_reach(run, replied=False)
    return "attempt recorded"


async def call_in_flight(run: Run) -> str:
    """Kill when the model has counted the call and not answered: the money is spent and the reply is lost."""
    await until(lambda: bool(run.calls()), what="the model is called", every=0.005)
    return "call in flight"


async def reply_saved(run: Run) -> str:
    """Kill when the reply is in the table; its acknowledgement follows if the worker lives to send it."""
    await _attempts_reach(run, replied=True)
    return "reply saved"


async def _attempts_reach(run: Run, *, replied: bool) -> None:
    def reached() -> bool:
        return any(attempt.reply is not None or not replied for attempt in run.attempts().of(run.handle.id))

    # The window is some milliseconds wide: a longer pause between two looks would miss it.
    await until(reached, what="the attempt is in the table", every=0.001)
