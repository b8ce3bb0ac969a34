"""Attempts of calls that break outside of the tool: before it is called, or after, when nobody is told what it did."""

from collections import Counter
from typing import Any

import pytest

from activities.ports import BodyCorrupt
from activities.tool_calls.boundary import ToolBoundary
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tools.base import ToolContext


class Breaks:
    """How many of the next attempts of calls break.

    They are named by the tool, or by the tool and words that are in the call's arguments: `send_message facilities`.
    """

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()

    @staticmethod
    def due(breaks: Counter[str], tool: str, arguments: str) -> bool:
        """Whether this attempt breaks; it is counted."""
        for name, count in breaks.items():
            called, _, words = name.partition(" ")
            if count and called == tool and words in arguments:
                breaks[name] -= 1
                return True
        return False


def breaking(monkeypatch: pytest.MonkeyPatch) -> Breaks:
    """Breaks attempts in the workers of this process."""
    breaks, run = Breaks(), ToolBoundary.run

    async def broken(
        boundary: ToolBoundary, spec: ToolSpec, context: ToolContext, arguments: Any, *more: Any
    ) -> ToolOutcome:
        if breaks.due(breaks.before, spec.name, str(arguments)):
            raise BodyCorrupt(f"{spec.name} is not reached")
        outcome = await run(boundary, spec, context, arguments, *more)
        if breaks.due(breaks.after, spec.name, str(arguments)):
            raise BodyCorrupt(f"what {spec.name} did is lost")
        return outcome

    monkeypatch.setattr(ToolBoundary, "run", broken)
    return breaks
