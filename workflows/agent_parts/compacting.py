"""Buys the summary that replaces an agent's older turns, in the same way as a thought."""

import functools

from temporalio import workflow

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.agents.compaction import Compact, Compacted, Mark
from perdure.contracts.fault import EffectFailed
from workflows.agent_parts.continue_as_new import should_continue
from workflows.agent_parts.progress import AgentProgress
from workflows.effects import COMPACT, key_of
from workflows.run.paid import Rests
from workflows.state_machines import compaction, ending
from workflows.state_machines.purchase import OverBudget


async def compact(progress: AgentProgress, tenant: str, step: str, cut: Mark) -> None:
    """Summarize the turns before the cut. A budget that does not cover the summary ends the run, as for a thought.

    After a summary that was cut, a longer one is bought where the budget covers it; else the turns stay as they are.
    """
    run = progress.state
    progress.enter(AgentPhase.COMPACTING)
    if run.longer:
        most = compaction.affordable(run, cut, progress.account.allowance, workflow.now())
        if not most:
            progress.unsummarized(step, f"it was cut, and {ending.NO_BUDGET}")
            return
        run = run.model_copy(update={"longer": most})
        progress.put(run)
    try:
        reply = await _buy(progress, run, tenant, step, cut)
    except EffectFailed as failure:
        if not run.longer:
            raise
        progress.unsummarized(step, f"it was cut, and {ending.failed(failure.reason)}")
        return
    if isinstance(reply, Rests):
        progress.put(progress.state.model_copy(update={"attempted": reply.attempts}))
    elif isinstance(reply, OverBudget) and run.longer:
        progress.unsummarized(step, f"it was cut, and {ending.NO_BUDGET}")
    elif isinstance(reply, OverBudget):
        progress.fall_short(reply)
        progress.notice(
            f"{step}: the model's window is nearly full, and a summary of the older turns is not affordable"
        )
    else:
        progress.compacted(step, cut, reply)


async def _buy(
    progress: AgentProgress, run: AgentRun, tenant: str, step: str, cut: Mark
) -> Compacted | OverBudget | Rests:
    """Buy one summary. Raises `EffectFailed`."""
    key = key_of(tenant, step)
    return await progress.account.buy_or_rest(
        COMPACT,
        step,
        lambda attempt, deployment, reserved: Compact(
            key=key,
            attempt=attempt,
            deployment=deployment.priced,
            pinned=run.pinned,
            transcript=run.transcript.unpriced(),
            covers=cut.link,
            worst=reserved,
        ),
        deployment=run.deployment,
        worst=functools.partial(compaction.worst, run, cut),
        attempts=run.spec.attempts,
        wait=run.spec.wait,
        window=compaction.needed_for(run, cut),
        attempts_made=run.attempted,
        should_rest=should_continue,
    )
