"""Makes the tool calls of a worker break outside the tool when the test says so; a worker imports it first."""

from collections.abc import Mapping, Sequence
from typing import Any

from activities.ports import BodyCorrupt
from activities.tool_calls.boundary import SCREENED_FOR, ToolBoundary
from activities.tool_calls.results import LARGEST
from perdure.contracts.guards import GuardSpec
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tests.support.faults.lasting_breaks import LastingBreaks, When
from tools.base import ToolContext


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
