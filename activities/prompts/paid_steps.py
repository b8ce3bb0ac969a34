"""Builds the exact prompt of any paid step, from its request and the bodies that it names."""

from typing import assert_never

from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Cut, Transcripts, TurnText
from activities.ports import BlobStore, NotConfigured, Prompt
from activities.prompts import answer, record
from activities.prompts.agent import prompt_of, summary_prompt
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import Think
from perdure.contracts.chains.steps import Extract, Generate


class Prompts:
    """Builds prompts. The same request always gives the same prompt."""

    def __init__(self, blobs: BlobStore, transcripts: Transcripts | None = None, pins: Pins | None = None) -> None:
        """Effects pass their caches of conversations and specs; without them everything is read from the store."""
        self._blobs = blobs
        self._transcripts = Transcripts(blobs) if transcripts is None else transcripts
        self._pins = Pins(blobs) if pins is None else pins

    async def of(self, ask: Think | Compact | Generate | Extract) -> Prompt:
        """Return the prompt of a request. Raises `BodyMissing` or `BodyCorrupt`."""
        match ask:
            case Think():
                return (await self.of_thought(ask))[0]
            case Compact():
                return (await self.of_summary(ask))[0]
            case Generate():
                return (await answer.compose(ask, self._blobs)).prompt
            case Extract():
                return await record.prompt_of(ask, self._blobs)
            case never:
                assert_never(never)

    async def of_thought(self, ask: Think) -> tuple[Prompt, AgentSpec, list[TurnText]]:
        """Return the prompt for a thought, the pinned spec, and the conversation. Raises as `of` does."""
        spec = await self._pins.read(ask.key.tenant, ask.pinned)
        instructions = await texts.read(self._blobs, ask.key.tenant, spec.instructions)
        turns = await self._transcripts.read(ask.key.tenant, ask.transcript)
        return prompt_of(spec, instructions, turns), spec, turns

    async def of_summary(self, ask: Compact) -> tuple[Prompt, Cut]:
        """Return the prompt for a summary, and the cut conversation. Raises `BodyMissing` or `BodyCorrupt`."""
        tenant, compaction = ask.key.tenant, (await self._pins.read(ask.key.tenant, ask.pinned)).compaction
        if compaction is None:
            raise NotConfigured("nothing is said of summaries in this run's spec: no such run asks for one")
        instructions = await texts.read(self._blobs, tenant, compaction.instructions)
        cut = await self._transcripts.cut(tenant, ask.transcript, ask.covers)
        return summary_prompt(instructions, cut.opening, cut.older), cut
