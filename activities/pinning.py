"""Pins what decides an agent's run: its spec, its tools with their digests, and where its first thought goes."""

from activities import texts
from activities.pins import Pins
from activities.ports import BlobStore, Catalogue, NotConfigured
from agents.loader import BadSpec, Specs
from perdure.contracts.agent_steps import PinAgent, PinnedAgent
from workflows.effects import PIN_AGENT


class Pinning:
    """The effect `pin_agent`."""

    def __init__(self, specs: Specs, catalogue: Catalogue, blobs: BlobStore, pins: Pins) -> None:
        self._specs = specs
        self._catalogue = catalogue
        self._blobs = blobs
        self._pins = pins

    @PIN_AGENT.activity
    async def pin_agent(self, ask: PinAgent) -> PinnedAgent:
        """Safe to run twice: it reads files and stores texts under their digests. The reply in the history decides."""
        try:
            spec = self._specs.agent(ask.agent)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        if ask.tier is not None:
            spec = spec.model_copy(update={"tier": ask.tier})
        deployment = self._catalogue.deployment_for(spec.tier)
        how = spec.compaction
        summing_up = () if how is None else (how.instructions,)
        await texts.store(self._blobs, ask.tenant, ask.task, spec.instructions, *summing_up)
        spec = spec.model_copy(
            update={
                "instructions": spec.instructions.reference(),
                "compaction": how and how.model_copy(update={"instructions": how.instructions.reference()}),
            }
        )
        return PinnedAgent(spec=spec, pinned=await self._pins.keep(ask.tenant, spec), deployment=deployment)
