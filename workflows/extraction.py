"""The extraction workflow: reads a record with its evidence from a document, or returns the reasons why it cannot."""

import asyncio
import functools

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import (
    Extract,
    Parse,
    Parsed,
    RecordRead,
    Repair,
    Screen,
    Unusable,
    Validate,
    Validated,
)
from perdure.contracts.runs.run import Extracted, ExtractRequest, Outcome, Phase, Refused, RunResult
from perdure.contracts.text import Text
from workflows.effects import EXTRACT, PARSE, SCREEN, VALIDATE, key_of
from workflows.run.cancellation import cancel_on_exit
from workflows.run.progress import Progress
from workflows.run.refusals import without_reply
from workflows.run.repair import Limits, repair_tokens, write_until_valid
from workflows.state_machines.purchase import OverBudget

PROMPT_FRAME = 1024
"""The most tokens that the chat template and the text around instructions and document add."""

LINE_FRAME = 8
"""The most tokens that the number of one line adds."""


@workflow.defn(name="extraction")
class Extraction:
    """Workflow that reads a record from a document, or states what prevents it."""

    def __init__(self) -> None:
        self.progress = Progress(Phase.PARSING)

    @workflow.run
    async def run(self, ask: ExtractRequest) -> RunResult:
        self.progress.begin(ask.tenant, ask.schema_name, ask.budget, ask.within)
        return await self.progress.conclude(self.outcome_of(ask))

    async def outcome_of(self, ask: ExtractRequest) -> Outcome:
        """Parse the document, then screen it while the model reads it."""
        parsed = await self.progress.perform(
            PARSE,
            Parse(
                tenant=ask.tenant,
                schema_name=ask.schema_name,
                tier=ask.tier,
                file=ask.file,
                budget=ask.budget,
                caller=ask.caller,
            ),
            summary=ask.file.name,
        )
        if parsed.unreadable:
            return Refused(reason=parsed.unreadable, reasons=(parsed.unreadable,))
        self.progress.deployment = parsed.deployment.name
        screening = asyncio.create_task(self.refusal(ask, parsed))
        reading = asyncio.create_task(self.read(ask, parsed))
        async with cancel_on_exit(screening, reading):
            await workflow.wait([screening, reading], return_when=asyncio.FIRST_COMPLETED)
            return await screening or await reading

    async def refusal(self, ask: ExtractRequest, parsed: Parsed) -> Refused | None:
        """Return the refusal where a guard blocks the document, else None."""
        if not parsed.spec.screen:
            return None
        screened = await self.progress.perform(
            SCREEN,
            Screen(
                tenant=ask.tenant,
                chain=ask.schema_name,
                question=parsed.document.reference(),
                guards=parsed.spec.screen,
            ),
            summary="document",
        )
        blocked = self.progress.judge("screen", screened.verdicts)
        reasons = tuple(verdict.reason for verdict in screened.verdicts if verdict.blocks)
        return Refused(reason=blocked, reasons=reasons) if blocked else None

    async def read(self, ask: ExtractRequest, parsed: Parsed) -> Outcome:
        """Have the model extract the fields, and have it repair those that are not valid."""
        self.progress.enter(Phase.EXTRACTING)
        spec, document = parsed.spec, parsed.document.reference()
        validations: list[Validated] = []

        async def validate(reply: RecordRead) -> tuple[Text | None, tuple[Problem, ...]]:
            self.progress.enter(Phase.VALIDATING)
            text = reply.said.reference()
            validated = await self.progress.perform(
                VALIDATE, Validate(tenant=ask.tenant, spec=spec, document=document, said=text), summary=spec.name
            )
            validations.append(validated)
            return text, validated.problems

        written = await write_until_valid(
            functools.partial(self.write, ask, parsed),
            validate,
            functools.partial(_worst, parsed),
            step="extract",
            limits=Limits(spec.name, spec.max_output_tokens, spec.repairs, parsed.deployment),
            account=self.progress.account,
        )
        if isinstance(written, OverBudget | Unusable):
            return await without_reply(self.progress, written, tenant=ask.tenant, guards=spec.screen)
        if written.problems:
            count = len(written.problems)
            return Refused(
                reason=f"No record could be read that holds: {count} problem{'s' if count > 1 else ''} remained.",
                reasons=(*map(str, written.problems), *(f"not read of the document: {loss}" for loss in parsed.losses)),
            )
        return Extracted(record=validations[-1].record, document=document, losses=parsed.losses)

    async def write(
        self, ask: ExtractRequest, parsed: Parsed, step: str, repair: Repair | None, tokens: int
    ) -> RecordRead | OverBudget:
        """Buy one record from the model, in a reply of at most so many tokens."""
        spec, document = parsed.spec, parsed.document.reference()
        key = key_of(ask.tenant, step)
        return await self.progress.account.buy(
            EXTRACT,
            step,
            lambda attempt, deployment, reserved: Extract(
                key=key,
                attempt=attempt,
                deployment=deployment,
                spec=spec,
                document=document,
                worst=reserved,
                repair=repair,
            ),
            deployment=parsed.deployment,
            worst=lambda deployment: _worst(parsed, repair, tokens, deployment),
            attempts=spec.attempts,
            wait=spec.wait,
        )


def _worst(parsed: Parsed, repair: Repair | None, tokens: int, deployment: Deployment | None = None) -> Spend:
    """Return the most that a reply of at most so many tokens may cost, at the run's first deployment or another."""
    where = parsed.deployment if deployment is None else deployment
    framed_lines = parsed.lines * LINE_FRAME
    prompt_tokens = PROMPT_FRAME + parsed.spec.instructions.tokens + parsed.document.tokens + framed_lines
    room = max(0, where.context_window - tokens)
    return where.worst_case(input_tokens=min(prompt_tokens + repair_tokens(repair), room), output_tokens=tokens)
