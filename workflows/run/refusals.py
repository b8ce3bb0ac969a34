"""Shows the words of a refusal, by the model or its provider, only after the guards of answers have seen them."""

from temporalio import workflow

from perdure.contracts.chains.steps import Check, Unusable
from perdure.contracts.guards import GuardSpec
from perdure.contracts.runs.run import Outcome
from perdure.contracts.text import Text
from workflows.effects import CHECK
from workflows.run.progress import Progress
from workflows.state_machines import ending
from workflows.state_machines.purchase import OverBudget


async def without_reply(
    progress: Progress, why: OverBudget | Unusable, *, tenant: str, guards: tuple[GuardSpec, ...]
) -> Outcome:
    """Return the outcome of a run that got no reply which can be used."""
    if isinstance(why, OverBudget):
        return progress.exhausted(why)
    return ending.outcome_of(await with_checked_words(progress, why, tenant=tenant, guards=guards))


async def with_checked_words(
    progress: Progress, why: Unusable, *, tenant: str, guards: tuple[GuardSpec, ...]
) -> Unusable:
    """Return the end of a reply as it may be shown.

    The words of a refusal are foreign text, as an answer is. What a guard blocks is kept back, with its reason in place
    of it; what it flags is shown, with its verdict.
    """
    if not why.words or not guards or not workflow.patched("checked-refusals"):
        return why
    checked = await progress.perform(
        CHECK,
        Check(tenant=tenant, guards=guards, answer=Text.of(why.words), citations=(), refusal=True),
        summary="refusal",
    )
    blocked = progress.judge("check", checked.verdicts)
    return ending.without_words(why, blocked) if blocked else why
