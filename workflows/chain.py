"""The chain workflow, straight-line code that Temporal makes durable: screen and route, retrieve, generate, check."""

import asyncio
import functools

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.spec import Deployment, ScreeningOrder
from perdure.contracts.chains.steps import (
    Check,
    Generate,
    Generated,
    Repair,
    Retrieve,
    Retrieved,
    Route,
    Routed,
    Screen,
    Screened,
    Unusable,
)
from perdure.contracts.runs.run import Abstained, Answered, AskRequest, Outcome, Phase, Refused, RunResult
from perdure.contracts.text import Text
from workflows.effects import CHECK, GENERATE, RETRIEVE, ROUTE, SCREEN, key_of
from workflows.run.cancellation import cancel_on_exit
from workflows.run.progress import Progress
from workflows.run.refusals import without_reply
from workflows.run.repair import Limits, Written, repair_tokens, write_until_valid
from workflows.state_machines.purchase import OverBudget

PROMPT_FRAME = 1024
"""The most tokens that the chat template and the text around instructions, passages and question add."""

PASSAGE_FRAME = 512
"""The most tokens that the numbers and names of one passage's sentences add. The effect keeps to the total."""


@workflow.defn(name="chain")
class Chain:
    """Workflow that answers a question from documents, or states why it does not."""

    def __init__(self) -> None:
        self.progress = Progress(Phase.ROUTING)

    @workflow.run
    async def run(self, ask: AskRequest) -> RunResult:
        self.progress.begin(ask.tenant, ask.chain, ask.budget, ask.within)
        return await self.progress.conclude(self.outcome_of(ask))

    async def outcome_of(self, ask: AskRequest) -> Outcome:
        """Screen the question and, beside it or after it as the spec says, answer it."""
        screen = asyncio.create_task(
            self.progress.perform(
                SCREEN,
                Screen(
                    tenant=ask.tenant,
                    chain=ask.chain,
                    question=ask.question,
                ),
                summary="question",
            )
        )
        routing = asyncio.create_task(
            self.progress.perform(
                ROUTE,
                Route(
                    tenant=ask.tenant,
                    chain=ask.chain,
                    tier=ask.tier,
                    question=ask.question,
                    budget=ask.budget,
                    caller=ask.caller,
                ),
                summary=ask.chain,
            )
        )
        async with cancel_on_exit(screen, routing) as pending:
            routed = await routing
            self.progress.deployment = routed.deployment.name
            screening = asyncio.create_task(self.refusal(ask, screen, routed))
            pending.append(screening)
            if routed.spec.screening is ScreeningOrder.FIRST:
                return await screening or await self.answer(ask, routed)
            answering = asyncio.create_task(self.answer(ask, routed))
            pending.append(answering)
            await workflow.wait([screening, answering], return_when=asyncio.FIRST_COMPLETED)
            # Whichever task ended first: no answer is returned without the verdict on the question.
            return await screening or await answering

    async def refusal(self, ask: AskRequest, screen: asyncio.Task[Screened], routed: Routed) -> Refused | None:
        """Return the refusal where a guard of the pinned spec blocks the question, else None."""
        screened = await screen
        if screened.spec_digest != routed.spec.digest:
            # The chain's file was edited between the two effects: the pinned spec decides.
            screened = await self.screen_again(ask, routed)
        blocked = self.progress.judge("screen", screened.verdicts)
        return Refused(reason=blocked) if blocked else None

    async def answer(self, ask: AskRequest, routed: Routed) -> Outcome:
        """Retrieve passages, have the model write the answer, and check it."""
        spec = routed.spec
        self.progress.enter(Phase.RETRIEVING)
        parts = tuple(part.reference() for part in routed.parts)
        retrieved = await self.progress.perform(
            RETRIEVE,
            Retrieve(
                tenant=ask.tenant,
                collection=spec.collection,
                parts=parts,
                passages=spec.passages,
                sentences=spec.sentences,
                sentence_margin=spec.sentence_margin,
            ),
            summary=spec.collection,
        )
        if all(passage.relevance < spec.minimum_relevance for passage in retrieved.passages):
            return Abstained(reason="No document in this collection speaks to the question.")

        self.progress.enter(Phase.GENERATING)
        written = await self.write(ask, routed, retrieved)
        if isinstance(written, OverBudget | Unusable):
            return await without_reply(self.progress, written, tenant=ask.tenant, guards=spec.check)
        if written.problems:
            return Abstained(
                reason=f"The model wrote nothing that could be used: {'; '.join(map(str, written.problems))}."
            )
        if written.answer is None:
            return Abstained(
                reason="The documents that come nearest do not answer the question.", citations=written.citations
            )

        self.progress.enter(Phase.CHECKING)
        checked = await self.progress.perform(
            CHECK,
            Check(
                tenant=ask.tenant,
                guards=spec.check,
                answer=written.answer.reference(),
                citations=written.citations,
            ),
            summary="answer",
        )
        blocked = self.progress.judge("check", checked.verdicts)
        if blocked:
            return Abstained(
                reason=f"An answer was written but did not hold up: {blocked}", citations=written.citations
            )
        return Answered(answer=written.answer, citations=written.citations)

    async def screen_again(self, ask: AskRequest, routed: Routed) -> Screened:
        """Screen the question with the guards of the pinned spec."""
        return await self.progress.perform(
            SCREEN,
            Screen(
                tenant=ask.tenant,
                chain=ask.chain,
                question=ask.question.reference(),
                spec=routed.spec,
            ),
            summary="question, by the pinned guards",
        )

    async def write(self, ask: AskRequest, routed: Routed, retrieved: Retrieved) -> Generated | OverBudget | Unusable:
        """Buy the answer, and have the model repair a reply that cannot be read."""
        spec = routed.spec
        parts = tuple(part.reference() for part in routed.parts)
        passages = tuple(passage.reference() for passage in retrieved.passages)
        prompt_tokens = (
            PROMPT_FRAME
            + spec.instructions.tokens
            + sum(part.tokens for part in parts)
            + sum(passage.tokens + PASSAGE_FRAME for passage in passages)
        )

        def worst(repair: Repair | None, tokens: int, deployment: Deployment = routed.deployment) -> Spend:
            room = max(0, deployment.context_window - tokens)
            prompt = prompt_tokens + repair_tokens(repair)
            return deployment.worst_case(input_tokens=min(prompt, room), output_tokens=tokens)

        async def write(step: str, repair: Repair | None, tokens: int) -> Generated | OverBudget:
            key = key_of(ask.tenant, step)
            return await self.progress.account.buy(
                GENERATE,
                step,
                lambda attempt, deployment, reserved: Generate(
                    key=key,
                    attempt=attempt,
                    deployment=deployment,
                    instructions=spec.instructions,
                    parts=parts,
                    passages=passages,
                    worst=reserved,
                    repair=repair,
                    gate=spec.digest if spec.screening is ScreeningOrder.BESIDE else None,
                ),
                deployment=routed.deployment,
                worst=functools.partial(worst, repair, tokens),
                attempts=spec.attempts,
                wait=spec.wait,
            )

        async def problems(reply: Generated) -> tuple[Text | None, tuple[Problem, ...]]:
            return reply.said, reply.problems

        limits = Limits(spec.name, spec.max_output_tokens, spec.repairs, routed.deployment)
        account = self.progress.account
        written = await write_until_valid(write, problems, worst, step="generate", limits=limits, account=account)
        return written.reply if isinstance(written, Written) else written
