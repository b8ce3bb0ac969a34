"""Runs that were continued as new: a budget for long ones, the number of executions, and the handed-over state."""

from temporalio.client import Client

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.continued import AgentInput, HandOver

BUDGET = Budget(steps=60, tool_calls=60, input_tokens=10**7, output_tokens=10**6, micro_dollars=10**7)
"""A budget that is enough for a run of many turns."""


async def executions(platform: Platform, run: str) -> int:
    """Return how many executions the run has had."""
    return len(await platform.executions(run))


async def handed_over(client: Client, platform: Platform, run: str) -> HandOver:
    """Return the state that the first execution of a run has handed to the second."""
    last = (await platform.executions(run))[0].events[-1].workflow_execution_continued_as_new_event_attributes
    [read] = await client.data_converter.decode(last.input.payloads, [AgentInput])
    assert isinstance(read, AgentInput)
    assert read.task.body is None, "a task's words are stored by then"
    assert read.handed_over is not None
    return read.handed_over
