"""Runs a chain's guards over the question."""

from activities import texts
from activities.ports import BlobStore, Guards, NotConfigured, Subject
from agents.loader import BadSpec, Specs
from perdure.contracts.steps import Screen, Screened
from workflows.effects import SCREEN


class Screening:
    """The effect `screen`."""

    def __init__(self, specs: Specs, guards: Guards, blobs: BlobStore) -> None:
        self._specs = specs
        self._guards = guards
        self._blobs = blobs

    @SCREEN.activity
    async def screen(self, ask: Screen) -> Screened:
        """Safe to run twice: guards only read."""
        try:
            spec = ask.spec or self._specs.chain(ask.chain)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        question = await texts.read(self._blobs, ask.tenant, ask.question)
        verdicts = await self._guards.run(spec.screen, Subject(text=question))
        return Screened(spec_digest=spec.digest, verdicts=verdicts)
