"""Runs a chain's guards over an answer and its citations."""

from activities import texts
from activities.ports import BlobStore, Guards, Subject
from perdure.contracts.steps import Check, Checked
from workflows.effects import CHECK


class Checking:
    """The effect `check`."""

    def __init__(self, guards: Guards, blobs: BlobStore) -> None:
        self._guards = guards
        self._blobs = blobs

    @CHECK.activity
    async def check(self, ask: Check) -> Checked:
        """Safe to run twice: guards only read. Quotes are compared with the passages as they were recorded."""
        answer = await texts.read(self._blobs, ask.tenant, ask.answer)
        passages = tuple(
            [
                citation.passage.model_copy(
                    update={"body": await texts.read(self._blobs, ask.tenant, citation.passage)}
                )
                for citation in ask.citations
            ]
        )
        subject = Subject(text=answer, citations=ask.citations, passages=passages)
        return Checked(verdicts=await self._guards.run(ask.guards, subject))
