"""The chain: screen and route, retrieve, generate, check. Straight-line code that Temporal makes durable."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from perdure.contracts.budget import Allowance, Budget, Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.run import (
    Abstained,
    Answered,
    AskRequest,
    Cancelled,
    Exhausted,
    Outcome,
    Phase,
    Refused,
    RunResult,
)
from perdure.contracts.search_attributes import (
    AGENT,
    COST_MICROS,
    GUARD_TRIGGERED,
    OUTCOME,
    PHASE,
    STEPS,
    TENANT,
)
from perdure.contracts.spec import Deployment
from perdure.contracts.steps import (
    Check,
    Generate,
    Generated,
    Retrieve,
    Retrieved,
    Route,
    Routed,
    Screen,
    Screened,
    StepKey,
)
from workflows.effects import CHECK, GENERATE, RETRIEVE, ROUTE, SCREEN, perform
from workflows.paid import Purse
from workflows.state_machines.purchase import OverBudget
from workflows.timeline import Timeline

PROMPT_FRAME = 1024
"""Tokens. What the chat template and the frame around instructions, passages and question add at most."""

PASSAGE_FRAME = 512
"""Tokens. What numbering and naming the sentences of one passage add at most; the effect keeps to the sum."""


@workflow.defn(name="chain")
class Chain:
    """Answers a question from documents, or says why it does not."""

    def __init__(self) -> None:
        self.purse = Purse(Allowance(budget=Budget()))
        self.phase = Phase.ROUTING
        self.timeline = Timeline()
        self.verdicts: tuple[Verdict, ...] = ()
        self.deployment: str | None = None

    @workflow.run
    async def run(self, ask: AskRequest) -> RunResult:
        self.purse = Purse(Allowance(budget=ask.budget))
        self.label(ask)
        try:
            outcome = await self.outcome_of(ask)
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            outcome = Cancelled(phase=self.phase)
        return self.close(outcome)

    async def outcome_of(self, ask: AskRequest) -> Outcome:
        """The chain itself."""
        screened, routed = await asyncio.gather(
            perform(SCREEN, Screen(tenant=ask.tenant, chain=ask.chain, question=ask.question), summary="question"),
            perform(
                ROUTE,
                Route(tenant=ask.tenant, chain=ask.chain, tier=ask.tier, question=ask.question),
                summary=ask.chain,
            ),
        )
        spec = routed.spec
        self.deployment = routed.deployment.name
        if screened.spec_digest != spec.digest:
            # The chain's file was edited between the two: what is pinned decides.
            screened = await self.screen_again(ask, routed)
        blocked = self.judge("screen", screened.verdicts)
        if blocked:
            return Refused(reason=blocked)

        self.enter(Phase.RETRIEVING)
        parts = tuple(part.reference() for part in routed.parts)
        found = await perform(
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
        if all(passage.relevance < spec.minimum_relevance for passage in found.passages):
            return Abstained(reason="No document in this collection speaks to the question.")

        self.enter(Phase.GENERATING)
        written = await self.write(ask, routed, found)
        if isinstance(written, OverBudget):
            return self.exhausted(written)
        if written.answer is None:
            return Abstained(
                reason="The documents that come nearest do not answer the question.", citations=written.citations
            )

        self.enter(Phase.CHECKING)
        checked = await perform(
            CHECK,
            Check(
                tenant=ask.tenant,
                guards=spec.check,
                answer=written.answer.reference(),
                citations=written.citations,
            ),
            summary="answer",
        )
        blocked = self.judge("check", checked.verdicts)
        if blocked:
            return Abstained(
                reason=f"An answer was written but did not hold up: {blocked}", citations=written.citations
            )
        return Answered(answer=written.answer, citations=written.citations)

    async def screen_again(self, ask: AskRequest, routed: Routed) -> Screened:
        """Screen the question by the guards that this run has pinned."""
        return await perform(
            SCREEN,
            Screen(tenant=ask.tenant, chain=ask.chain, question=ask.question.reference(), spec=routed.spec),
            summary="question, by the pinned guards",
        )

    async def write(self, ask: AskRequest, routed: Routed, found: Retrieved) -> Generated | OverBudget:
        """Buy the answer."""
        spec = routed.spec
        info = workflow.info()
        parts = tuple(part.reference() for part in routed.parts)
        passages = tuple(passage.reference() for passage in found.passages)
        prompt_tokens = (
            PROMPT_FRAME
            + spec.instructions.tokens
            + sum(part.tokens for part in parts)
            + sum(passage.tokens + PASSAGE_FRAME for passage in passages)
        )

        def worst(deployment: Deployment) -> Spend:
            room = deployment.context_window - spec.max_output_tokens
            return deployment.worst_case(input_tokens=min(prompt_tokens, room), output_tokens=spec.max_output_tokens)

        def request(attempt: int, deployment: Deployment, reserved: Spend) -> Generate:
            return Generate(
                key=StepKey(
                    tenant=ask.tenant,
                    workflow_id=info.workflow_id,
                    run_id=info.first_execution_run_id,
                    step="generate",
                ),
                attempt=attempt,
                deployment=deployment,
                instructions=spec.instructions,
                parts=parts,
                passages=passages,
                worst=reserved,
            )

        return await self.purse.buy(
            GENERATE, "generate", request, deployment=routed.deployment, worst=worst, attempts=spec.attempts
        )

    def judge(self, stage: str, verdicts: tuple[Verdict, ...]) -> str:
        """Keep the verdicts; the reasons of those that block, empty where none does."""
        self.verdicts += verdicts
        self.timeline.verdicts(stage, verdicts)
        triggered = [verdict.guard for verdict in self.verdicts if not verdict.passed]
        if triggered:
            workflow.upsert_search_attributes([GUARD_TRIGGERED.value_set(triggered)])
        return "; ".join(verdict.reason for verdict in verdicts if verdict.blocks)

    def exhausted(self, over: OverBudget) -> Exhausted:
        """The ending of a run whose budget does not cover what comes next."""
        reserved = self.purse.allowance.reserved
        return Exhausted(
            limit=over.limit,
            needed=over.needed,
            reserved=reserved,
            reason=f"The budget's {over.limit} would not cover the next attempt: raise it, or ask for less.",
        )

    def label(self, ask: AskRequest) -> None:
        """Say whose run this is and what it does, also where the starter did not."""
        given = workflow.info().typed_search_attributes
        labels = (TENANT.value_set(ask.tenant), AGENT.value_set(ask.chain), PHASE.value_set(self.phase))
        missing = [label for label in labels if given.get(label.key) != label.value]
        if missing:
            workflow.upsert_search_attributes(missing)
        self.timeline.enter(self.phase, workflow.now())

    def enter(self, phase: Phase) -> None:
        """Go on to the next phase.

        The timeline shows every phase. For a search by phase only the one that lasts is worth its price: a visibility
        write costs the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        if phase is Phase.GENERATING:
            workflow.upsert_search_attributes([PHASE.value_set(phase)])

    def close(self, outcome: Outcome) -> RunResult:
        """The result, with its evidence."""
        allowance = self.purse.allowance
        self.timeline.close(outcome.kind, allowance.settled, workflow.now())
        workflow.upsert_search_attributes(
            [
                PHASE.value_set(Phase.CLOSED),
                OUTCOME.value_set(outcome.kind),
                COST_MICROS.value_set(allowance.settled.micro_dollars),
                STEPS.value_set(allowance.settled.steps + allowance.reserved.steps),
            ]
        )
        return RunResult(
            outcome=outcome,
            verdicts=self.verdicts,
            spent=allowance.settled,
            unsettled=allowance.reserved,
            deployment=self.deployment,
            timings=self.timeline.stages(),
        )
