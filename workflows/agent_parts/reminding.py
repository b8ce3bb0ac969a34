"""Tells the model once more what the task requires, where the budget covers another thought."""

from temporalio import workflow

from perdure.contracts.tool_calls.writes import Write
from workflows.agent_parts.progress import AgentProgress
from workflows.run.headline import plain
from workflows.state_machines import agent


def remind(progress: AgentProgress, missing: tuple[Write, ...]) -> None:
    """Tell the model which required writes are missing; where no thought is affordable, the run ends as it is."""
    run = agent.reminded(progress.state, missing)
    if progress.account.allowance.shortfall(agent.worst_thought(run, run.deployment), workflow.now()) is not None:
        progress.put(agent.not_reminded(progress.state))
        return
    tools = plain(", ".join(write.tool for write in missing))
    progress.timeline.note(f"{tools} is required and has not been done: the model is told")
    progress.put(run)
