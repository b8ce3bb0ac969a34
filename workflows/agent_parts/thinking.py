"""Buys the model's next move, and after a reply that was cut a longer one, as far as the budget covers it."""

import functools

from temporalio import workflow

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.agents.steps import Think, Thought
from perdure.contracts.fault import EffectFailed
from workflows.agent_parts.continue_as_new import should_continue
from workflows.agent_parts.progress import AgentProgress
from workflows.effects import THINK, key_of
from workflows.run.paid import Rests
from workflows.state_machines import agent, compaction, ending
from workflows.state_machines.purchase import OverBudget


async def think(progress: AgentProgress, tenant: str, step: str) -> None:
    """Buy the model's next move. A budget that does not cover it ends the run.

    A longer reply, after one that was cut, is only an attempt to help: if it cannot be bought, the run ends with the
    reason why the first one was no answer.
    """
    if progress.phase is not AgentPhase.THINKING:
        progress.enter(AgentPhase.THINKING)
    run = progress.state
    if run.longer:
        run = agent.affordable(run, progress.account.allowance, workflow.now())
        progress.put(run)
        if run.unusable is not None:
            return
    try:
        reply = await _buy(progress, run, tenant, step)
    except EffectFailed as failure:
        if not run.longer:
            raise
        progress.put(agent.not_longer(progress.state, ending.failed(failure.reason)))
        return
    if isinstance(reply, Rests):
        progress.put(progress.state.model_copy(update={"attempted": reply.attempts}))
    elif isinstance(reply, OverBudget) and run.longer:
        progress.put(agent.not_longer(progress.state, ending.NO_BUDGET))
    elif isinstance(reply, OverBudget):
        progress.fall_short(reply)
    else:
        progress.thought(step, reply)


async def _buy(progress: AgentProgress, run: AgentRun, tenant: str, step: str) -> Thought | OverBudget | Rests:
    """Buy one thought. Raises `EffectFailed`."""
    key = key_of(tenant, step)
    return await progress.account.buy_or_rest(
        THINK,
        step,
        lambda attempt, deployment, reserved: Think(
            key=key,
            attempt=attempt,
            deployment=deployment.priced,
            pinned=run.pinned,
            transcript=run.transcript.unpriced(),
            worst=reserved,
        ),
        deployment=run.deployment,
        worst=functools.partial(agent.worst_thought, run),
        attempts=run.spec.attempts,
        wait=run.spec.wait,
        window=compaction.needed(run),
        attempts_made=run.attempted,
        should_rest=should_continue,
    )
