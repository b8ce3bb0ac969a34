"""The chain answers from the documents, and the agent reserves a boat once a person agrees."""

import asyncio

from perdure import Answered
from perdure.contracts.runs.run import RunResult
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.testing import RunningStack, Script, answer, assert_once, calls, decide

RESERVE = ("reserve_boat", {"boat": "Heron", "day": "2027-05-01", "member": "Ada"})


def task(run: str, last: str) -> str:
    """Return a task with what the model of this test does: it reserves, and it answers."""
    return Script.of(run, [calls(RESERVE), answer(last)]).task("Reserve the Heron for Ada.")


async def decided(stack: RunningStack, run: str, last: str, ruling: Ruling) -> RunResult:
    """Run the agent, decide about its reservation, and return the result."""
    async with await stack.platform() as platform:
        await platform.start_agent(task(run, last), agent="boatman", business_id=run)
        step = await decide(platform, run, ruling)
        assert step.tool == "reserve_boat"
        return await platform.result(run)


def test_the_chain_answers_from_the_documents(perdure_stack: RunningStack) -> None:
    async def ask() -> RunResult:
        async with await perdure_stack.platform() as platform:
            return await platform.ask("At what time is the club house locked?", chain="club")

    result = asyncio.run(ask())
    assert isinstance(result.outcome, Answered)
    assert "22:00" in result.outcome.citations[0].quote


def test_a_boat_is_reserved_once_a_person_agrees(perdure_stack: RunningStack) -> None:
    result = asyncio.run(decided(perdure_stack, "agreed", "The Heron is reserved.", Ruling.APPROVE))
    assert isinstance(result.outcome, Answered)
    reserved = [one["key"] for one in perdure_stack.desk.kept("tickets") if one["title"] == "Reserve the Heron"]
    assert_once(reserved, 1)


def test_nothing_is_reserved_where_a_person_says_no(perdure_stack: RunningStack) -> None:
    before = perdure_stack.desk.received("tickets")
    asyncio.run(decided(perdure_stack, "denied", "It is not reserved.", Ruling.DENY))
    assert perdure_stack.desk.received("tickets") == before
