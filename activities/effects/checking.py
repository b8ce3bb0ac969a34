"""Runs a chain's guards over an answer and its citations."""

from activities.bodies import texts
from activities.ports import BlobStore, Guards, Subject
from perdure.contracts.chains.steps import Check, Checked
from workflows.effects import CHECK


class Checking:
    """The effect `check`."""

    def __init__(self, guards: Guards, blobs: BlobStore) -> None:
        self._guards = guards
        self._blobs = blobs

    @CHECK.activity
    async def check(self, ask: Check) -> Checked:
        """Safe to run twice: guards only read. Quotes are compared with the passages as they were recorded."""
        cited = [citation.passage for citation in ask.citations]
        answer, *bodies = await texts.read_all(self._blobs, ask.tenant, [ask.answer, *cited])
        passages = tuple(passage.model_copy(update={"body": body}) for passage, body in zip(cited, bodies, strict=True))
        subject = Subject(text=answer, citations=ask.citations, passages=passages)
        return Checked(verdicts=await self._guards.run(ask.guards, subject))
