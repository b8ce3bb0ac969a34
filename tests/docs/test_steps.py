"""A step that a page names for a decision is one that the shipped agent really asks a person about."""

import re
from pathlib import Path

import pytest

from activities.settings import ROOT
from agents.loader import Specs
from perdure.contracts.agents.agent import AgentSpec, CallStage, RequestedCall
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.tools import Approval
from tools.folder import all_tools
from workflows.state_machines import tool_call

STEP = re.compile(r'\\?"step\\?": \\?"([^"\\]+)')
PAGES = sorted(page for page in ROOT.rglob("*.md") if not {".venv", "var"} & set(page.relative_to(ROOT).parts))
DOCUMENTED = [(page, step) for page in PAGES for step in STEP.findall(page.read_text()) if not step.startswith("$")]


def first_waits(spec: AgentSpec) -> int:
    """Return the turn in which an agent can first ask a person about a call, if each turn returns what it may."""
    returned: tuple[str, ...] = ()
    for turn in range(1, len(spec.tools) + 2):
        may = [tool for tool in spec.tools if not tool_call.missing(tool, returned)]
        if turn == 1 and spec.begins_with is not None:
            may = [tool for tool in may if tool.name == spec.begins_with]
        for tool in may:
            asked = RequestedCall(id=f"call-{turn}-1", tool=tool.name, arguments=Text.of("{}"))
            waits = isinstance(tool_call.next_move(asked, spec), tool_call.ScreenFirst)
            assert waits == (tool.asks or tool.approval is Approval.ALWAYS)
            assert asked.stage is CallStage.ASKED
            if waits:
                return turn
        returned = tuple(dict.fromkeys((*returned, *(tool.name for tool in may))))
    raise AssertionError(f"{spec.name} never asks a person")


@pytest.mark.parametrize(("page", "step"), DOCUMENTED, ids=lambda value: str(getattr(value, "name", value)))
def test_a_documented_decision_is_about_a_step_that_the_shipped_agent_asks_for(page: Path, step: str) -> None:
    spec = Specs([ROOT / "agents"], all_tools()).agent("operations")
    assert step == f"call-{first_waits(spec)}-1", page


def test_the_pages_document_decisions() -> None:
    assert {page.name for page, _ in DOCUMENTED} >= {"APPROVALS.md"}
