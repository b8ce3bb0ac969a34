"""Attempts of calls that break outside of the tool: before it is called, or after, when nobody is told what it did."""

from collections import Counter
from typing import Any

import pytest

from activities.ports import BodyCorrupt
from activities.tool_boundary import ToolBoundary
from perdure.contracts.tool_outcome import ToolOutcome
from perdure.contracts.tools import ToolSpec
from tools.base import ToolContext


class Breaks:
    """How many of the next attempts of a tool's calls break, in all runs or in one.

    It is named by the tool, or by the run's workflow id and the tool: `default:one send_message`.
    """

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()

    def due(self, breaks: Counter[str], context: ToolContext, tool: str) -> bool:
        """Whether this attempt breaks; it is counted."""
        name = next((name for name in (f"{context.run} {tool}", tool) if breaks[name]), None)
        if name is not None:
            breaks[name] -= 1
        return name is not None


def breaking(monkeypatch: pytest.MonkeyPatch) -> Breaks:
    """Breaks attempts in the workers of this process."""
    breaks, run = Breaks(), ToolBoundary.run

    async def broken(boundary: ToolBoundary, spec: ToolSpec, context: ToolContext, *more: Any) -> ToolOutcome:
        if breaks.due(breaks.before, context, spec.name):
            raise BodyCorrupt(f"{spec.name} is not reached")
        outcome = await run(boundary, spec, context, *more)
        if breaks.due(breaks.after, context, spec.name):
            raise BodyCorrupt(f"what {spec.name} did is lost")
        return outcome

    monkeypatch.setattr(ToolBoundary, "run", broken)
    return breaks
