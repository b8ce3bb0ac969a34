"""Attempts of calls that fail outside of the tool: before the call, or after it, when its outcome is lost."""

from collections import Counter
from typing import Any

import pytest

from activities.ports import BodyCorrupt
from activities.tool_calls.boundary import ToolBoundary
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tools.base import ToolContext


class Breaks:
    """The number of next attempts that fail, by call.

    They are named by the tool, or by the tool and words that are in the call's arguments: `send_message facilities`.
    """

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()

    @staticmethod
    def due(breaks: Counter[str], tool: str, arguments: str) -> bool:
        """Return whether this attempt fails, and count it."""
        for name, count in breaks.items():
            called, _, text = name.partition(" ")
            if count and called == tool and text in arguments:
                breaks[name] -= 1
                return True
        return False


def breaking(monkeypatch: pytest.MonkeyPatch) -> Breaks:
    """Let attempts fail in the workers of this process."""
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
