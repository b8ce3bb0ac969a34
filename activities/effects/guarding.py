"""Runs a chain's guards over the question, and over the answer with its citations."""

from temporalio import activity

from activities.bodies import texts
from activities.ports import BlobStore, Guards, NotConfigured, Subject, TokenLog
from agents.loader import BadSpec, Specs
from perdure.contracts.chains.spec import ScreeningOrder
from perdure.contracts.chains.steps import Check, Checked, Screen, Screened
from workflows.effects import CHECK, SCREEN


class Screening:
    """The effect `screen`."""

    def __init__(self, specs: Specs, guards: Guards, blobs: BlobStore, log: TokenLog) -> None:
        self._specs = specs
        self._guards = guards
        self._blobs = blobs
        self._log = log

    @SCREEN.activity
    async def screen(self, ask: Screen) -> Screened:
        """Screen a question. Safe to run twice: guards only read, and a gate that is open stays open."""
        question = await texts.read(self._blobs, ask.tenant, ask.question)
        subject = Subject(text=question, tenant=ask.tenant)
        if ask.guards is not None:
            return Screened(spec_digest=None, verdicts=await self._guards.run(ask.guards, subject))
        try:
            spec = ask.spec or self._specs.chain(ask.chain)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        verdicts = await self._guards.run(spec.screen, subject)
        if spec.screening is ScreeningOrder.BESIDE and not any(verdict.blocks for verdict in verdicts):
            # The gate is named after this version of the spec. If the run has pinned another version, its tokens stay
            # hidden until the question has passed that one's guards, and so after a reset to before the screening.
            await self._log.open(ask.tenant, activity.info().workflow_run_id or "", spec.digest)
        return Screened(spec_digest=spec.digest, verdicts=verdicts)


class Checking:
    """The effect `check`."""

    def __init__(self, guards: Guards, blobs: BlobStore) -> None:
        self._guards = guards
        self._blobs = blobs

    @CHECK.activity
    async def check(self, ask: Check) -> Checked:
        """Check an answer and compare its quotes with the recorded passages. Safe to run twice: guards only read."""
        cited = [citation.passage for citation in ask.citations]
        answer, *bodies = await texts.read_all(self._blobs, ask.tenant, [ask.answer, *cited])
        passages = tuple(passage.model_copy(update={"body": body}) for passage, body in zip(cited, bodies, strict=True))
        subject = Subject(
            text=answer, citations=ask.citations, passages=passages, tenant=ask.tenant, quotes=not ask.refusal
        )
        return Checked(verdicts=await self._guards.run(ask.guards, subject))
