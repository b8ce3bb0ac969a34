"""A changed decision of an agent turns the replay gate red, as a changed step of a chain does."""

from datetime import datetime
from typing import Any

import pytest
from temporalio.workflow import NondeterminismError

from perdure.contracts.agents.agent import AgentRun, AgentSpec, CallStage, RequestedCall
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.tool_calls.decisions import StepDecision
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.contracts.tool_calls.tools import ToolSpec
from tests.replay.gate import changes
from tests.replay.histories import FOLDER, read
from workflows.agent_parts import decisions, tool_calls
from workflows.state_machines import agent, repeats, tool_call, writes
from workflows.state_machines.agent import Step
from workflows.state_machines.tool_call import Move


async def changed_parts(name: str) -> list[str]:
    return [change.what for change in await changes(read(FOLDER / f"agent-{name}.json"))]


async def test_a_call_that_asks_nobody_any_more_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = tool_calls.next_move

    def asks_nobody(call: RequestedCall, spec: AgentSpec) -> Move:
        return asking(call.model_copy(update={"stage": CallStage.ALLOWED}), spec)

    monkeypatch.setattr(tool_calls, "next_move", asks_nobody)
    with pytest.raises(NondeterminismError, match="screen_call"):
        await changed_parts("was-denied-a-call")


async def test_a_run_that_thinks_on_where_it_abstained_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    thinking = agent.next_step

    def thinks_on(run: AgentRun) -> Step:
        return thinking(run.model_copy(update={"silent": False}))

    monkeypatch.setattr(agent, "next_step", thinks_on)
    with pytest.raises(NondeterminismError):
        await changed_parts("abstained-in-silence")


async def test_answers_that_join_in_another_order_are_another_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(run: AgentRun) -> AgentRun:
        turns = [Turn(role=Role.TOOL, body=call.result, call=call.id) for call in run.calls[::-1] if call.result]
        return run.model_copy(update={"transcript": run.transcript.add(*turns), "calls": ()})

    monkeypatch.setattr(agent, "observed", backwards)
    parts = await changed_parts("answered-after-reading-side-by-side")
    assert "activity 'think', input.transcript.fresh[1].call" in parts


async def test_a_thought_that_reserves_otherwise_is_another_input(monkeypatch: pytest.MonkeyPatch) -> None:
    worst = agent.worst_thought

    def twice(run: AgentRun, deployment: Deployment) -> Spend:
        return worst(run, deployment) + Spend(input_tokens=1)

    monkeypatch.setattr(agent, "worst_thought", twice)
    assert "activity 'think', input.worst.input_tokens" in await changed_parts("opened-a-ticket")


async def test_a_write_in_doubt_that_is_left_to_nobody_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    acted = tool_call.acted

    def tries_again(call: RequestedCall, tool: Any, reply: Any, spec: AgentSpec, now: datetime) -> RequestedCall:
        answered = acted(call, tool, reply, spec, now)
        return tool_call.allowed(answered) if answered.stage is CallStage.UNKNOWN else answered

    monkeypatch.setattr(tool_call, "acted", tries_again)
    with pytest.raises(NondeterminismError):
        await changed_parts("was-told-that-a-write-in-doubt-did-happen")


async def test_a_decision_that_is_taken_otherwise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_run: AgentRun, _decision: StepDecision) -> tuple[RejectionCause, str]:
        return RejectionCause.MISFIT, "no"

    monkeypatch.setattr(decisions, "misfit", refuses)
    with pytest.raises(NondeterminismError):
        await changed_parts("sent-what-a-person-had-edited")


async def test_a_binding_that_names_something_else_takes_no_old_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def another(_call: RequestedCall, _tool: ToolSpec) -> str:
        return "f" * 64

    monkeypatch.setattr(tool_call, "binding", another)
    with pytest.raises(NondeterminismError):
        await changed_parts("sent-what-a-person-had-edited")


async def test_another_account_of_what_may_have_happened_is_another_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def surely_not(_: RequestedCall) -> bool:
        return False

    monkeypatch.setattr(tool_call, "may_have_happened", surely_not)
    assert await changed_parts("cancelled-while-a-tool-writes") == ["the run's result.outcome.unknown"]


async def test_what_only_people_read_is_free_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(_: RequestedCall) -> str:
        return "another word"

    monkeypatch.setattr(tool_call, "ending", otherwise)
    assert await changed_parts("opened-a-ticket") == []


async def test_a_loop_that_is_not_stopped_before_the_call_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_is_stuck(_run: AgentRun, _calls: Any) -> None:
        return None

    monkeypatch.setattr(repeats, "before", none_is_stuck)
    with pytest.raises(NondeterminismError):
        await changed_parts("stuck-before-a-third-ticket")


async def test_other_words_for_a_loop_are_another_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_words(*_: object) -> str:
        return "Stop it."

    monkeypatch.setattr(repeats, "SHORT", 12)
    assert await changed_parts("stuck-in-the-same-call") == []
    monkeypatch.setattr(repeats, "_told", other_words)
    assert "activity 'think', input.transcript.fresh[0].body.digest" in await changed_parts("stuck-in-the-same-call")


async def test_a_run_that_is_not_reminded_any_more_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: AgentRun) -> tuple[()]:
        return ()

    monkeypatch.setattr(writes, "to_remind", nothing)
    with pytest.raises(NondeterminismError):
        await changed_parts("did-what-it-was-told-to-be-missing")
