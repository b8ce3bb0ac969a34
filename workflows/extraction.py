"""Extract, validate, respond: a document and a schema in, a record with its evidence out, or the reasons why not."""

import asyncio
import functools

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from perdure.contracts.budget import Spend
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import Extract, Parse, Parsed, RecordRead, Repair, Screen, Validate, Validated
from perdure.contracts.fault import Fault
from perdure.contracts.runs.run import Cancelled, Extracted, ExtractRequest, Outcome, Phase, Refused, RunResult
from perdure.contracts.text import Text
from workflows.effects import EXTRACT, PARSE, SCREEN, VALIDATE, key_of
from workflows.run.cancellation import cancel_on_exit
from workflows.run.progress import Progress
from workflows.run.repair import repair_tokens, write_until_valid
from workflows.state_machines.purchase import OverBudget

PROMPT_FRAME = 1024
"""Tokens. What the chat template and the words around instructions and document add at most."""

LINE_FRAME = 8
"""Tokens. What the number of one line adds at most."""


@workflow.defn(name="extraction")
class Extraction:
    """Reads a record from a document, or says what stands in the way."""

    def __init__(self) -> None:
        self.progress = Progress(Phase.PARSING)

    @workflow.run
    async def run(self, ask: ExtractRequest) -> RunResult:
        self.progress.begin(ask.tenant, ask.schema_name, ask.budget, ask.within)
        try:
            outcome = await self.outcome_of(ask)
        except Fault as fault:
            raise self.progress.failed(fault) from fault
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            outcome = Cancelled(phase=self.progress.phase)
        return self.progress.close(outcome)

    async def outcome_of(self, ask: ExtractRequest) -> Outcome:
        """The extraction itself: the document is screened while it is read."""
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
        screening = asyncio.create_task(self.screened(ask, parsed))
        reading = asyncio.create_task(self.read(ask, parsed))
        async with cancel_on_exit(screening, reading):
            await workflow.wait([screening, reading], return_when=asyncio.FIRST_COMPLETED)
            return await screening or await reading

    async def screened(self, ask: ExtractRequest, parsed: Parsed) -> Refused | None:
        """The refusal, where a guard stops the document."""
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
        """Have the model read the fields, and have it repair what does not hold."""
        self.progress.enter(Phase.EXTRACTING)
        spec, document = parsed.spec, parsed.document.reference()
        found: list[Validated] = []

        async def validate(reply: RecordRead) -> tuple[Text | None, tuple[Problem, ...]]:
            self.progress.enter(Phase.VALIDATING)
            said = reply.said.reference()
            validated = await self.progress.perform(
                VALIDATE, Validate(tenant=ask.tenant, spec=spec, document=document, said=said), summary=spec.name
            )
            found.append(validated)
            return said, validated.problems

        written = await write_until_valid(
            functools.partial(self.write, ask, parsed), validate, step="extract", repairs=spec.repairs
        )
        if isinstance(written, OverBudget):
            return self.progress.exhausted(written)
        if written.problems:
            count = len(written.problems)
            return Refused(
                reason=f"No record could be read that holds: {count} problem{'s' if count > 1 else ''} remained.",
                reasons=tuple(map(str, written.problems)),
            )
        return Extracted(record=found[-1].record, document=document)

    async def write(
        self, ask: ExtractRequest, parsed: Parsed, step: str, repair: Repair | None
    ) -> RecordRead | OverBudget:
        """Buy one reading of the document."""
        spec, document = parsed.spec, parsed.document.reference()
        key = key_of(ask.tenant, step)
        prompt_tokens = (
            PROMPT_FRAME
            + spec.instructions.tokens
            + document.tokens
            + parsed.lines * LINE_FRAME
            + repair_tokens(repair)
        )

        def worst(deployment: Deployment) -> Spend:
            room = deployment.context_window - spec.max_output_tokens
            return deployment.worst_case(input_tokens=min(prompt_tokens, room), output_tokens=spec.max_output_tokens)

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
            worst=worst,
            attempts=spec.attempts,
            wait=spec.wait,
        )
