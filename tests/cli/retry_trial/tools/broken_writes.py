"""Tools that write at the desk, in a worker whose tool calls break outside the tool when the test says so.

A worker process loads this file with its tools, so this is the place to break the boundary around them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from activities.ports import BodyCorrupt
from activities.tool_calls.boundary import SCREENED_FOR, ToolBoundary
from activities.tool_calls.results import LARGEST
from perdure.contracts.guards import GuardSpec
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tests.support.faults.lasting_breaks import LastingBreaks, When
from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Note(ToolArguments):
    """What to write, and for which run."""

    run: str
    """The run's name."""


@tool(ToolEffect.IDEMPOTENT)
async def file_ticket(context: ToolContext, note: Note) -> str:
    """Open a ticket, and a second time with the same key change nothing."""
    await context.http.call("desk", "POST", "/tickets", {"title": note.run, "text": context.step}, key=context.key)
    return "It is filed."


@tool(ToolEffect.AT_MOST_ONCE)
async def post_notice(context: ToolContext, note: Note) -> str:
    """Send a message, and again each time that it is called. Nobody can be asked afterwards whether it was sent."""
    await context.http.call("desk", "POST", "/messages", {"to": note.run, "text": context.step}, key=context.key)
    return "It is posted."


def break_as_told(breaks: LastingBreaks) -> None:
    """Break attempts of tool calls in this process."""
    run = ToolBoundary.run

    async def broken(  # noqa: PLR0917 - as the boundary's own
        self: ToolBoundary,
        spec: ToolSpec,
        context: ToolContext,
        arguments: Mapping[str, Any] | str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome:
        if breaks.due(When.BEFORE, spec.name, str(arguments)):
            raise BodyCorrupt(f"{spec.name} is not reached")
        outcome = await run(self, spec, context, arguments, guards, largest)
        if breaks.due(When.AFTER, spec.name, str(arguments)):
            raise BodyCorrupt(f"what {spec.name} did is lost")
        return outcome

    ToolBoundary.run = broken


break_as_told(LastingBreaks.of_environment())
