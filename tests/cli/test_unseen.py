"""Nobody approves arguments that they were not shown, unless they say that they do."""

import pytest

from perdure.cli import steps
from perdure.cli.commands.decision import Decision
from perdure.contracts.contract import BadInput
from perdure.contracts.text import BODY_LIMIT, Text
from perdure.contracts.tool_calls.decisions import PendingStep, Waiting
from perdure.contracts.tool_calls.tools import ToolEffect


def step(size: int) -> PendingStep:
    return PendingStep.model_validate(
        {
            "step": "call-1-1",
            "waiting": Waiting.APPROVAL,
            "tool": "send_message",
            "effect": ToolEffect.AT_MOST_ONCE,
            "arguments": Text.of('"' + "x" * (size - 2) + '"').carried(),
            "digest": "0" * 64,
            "since": "2026-11-30T00:00:00Z",
        }
    )


@pytest.mark.parametrize("size", [BODY_LIMIT, BODY_LIMIT + 1, 3 * BODY_LIMIT])
def test_arguments_that_are_too_large_to_show_are_approved_only_by_who_says_so(size: int) -> None:
    waiting, decision = step(size), Decision.__new__(Decision)
    decision.unseen = False
    with pytest.raises(BadInput, match=f"its arguments are {size:,} bytes, of which nothing is shown here.*--unseen"):
        decision.require_seen(waiting)
    decision.unseen = True
    decision.require_seen(waiting)
    lines = [line.plain for line in steps.whole("run", waiting, tenant="default")]
    assert any(f"arguments of {size:,} bytes: too large to show" in line for line in lines)


@pytest.mark.parametrize("size", [2, BODY_LIMIT - 1])
def test_arguments_that_are_shown_need_no_more_than_a_yes(size: int) -> None:
    waiting, decision = step(size), Decision.__new__(Decision)
    decision.unseen = False
    assert waiting.unseen == 0
    decision.require_seen(waiting)
