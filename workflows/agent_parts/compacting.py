"""Buys the summary that replaces an agent's older turns, in the same way as a thought."""

import functools

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.agents.compaction import Compact, Mark
from workflows.agent_parts.continue_as_new import should_continue
from workflows.agent_parts.progress import AgentProgress
from workflows.effects import COMPACT, key_of
from workflows.run.paid import Rests
from workflows.state_machines import compaction
from workflows.state_machines.purchase import OverBudget


async def compact(progress: AgentProgress, tenant: str, step: str, cut: Mark) -> None:
    """Summarize the turns before the cut. A budget that does not cover the summary ends the run, as for a thought."""
    run, key = progress.state, key_of(tenant, step)
    progress.enter(AgentPhase.COMPACTING)
    reply = await progress.account.buy_or_rest(
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
    if isinstance(reply, Rests):
        progress.put(progress.state.model_copy(update={"attempted": reply.attempts}))
    elif isinstance(reply, OverBudget):
        progress.fall_short(reply)
        progress.notice(
            f"{step}: the model's window is nearly full, and a summary of the older turns is not affordable"
        )
    else:
        progress.compacted(step, cut, reply)
