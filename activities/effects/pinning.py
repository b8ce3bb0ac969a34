"""Pins what decides an agent's run: its spec, its tools with their digests, and where its first thought goes."""

from activities.authorization.registration import Registering
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.ports import BlobStore, Catalogue, NotConfigured
from agents.loader import BadSpec, Specs
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import PinAgent, PinnedAgent
from perdure.contracts.text import Text
from workflows.effects import PIN_AGENT


class Pinning:
    """The effect `pin_agent`."""

    def __init__(
        self, specs: Specs, catalogue: Catalogue, blobs: BlobStore, pins: Pins, registering: Registering
    ) -> None:
        self._specs = specs
        self._catalogue = catalogue
        self._blobs = blobs
        self._pins = pins
        self._registering = registering

    @PIN_AGENT.activity
    async def pin_agent(self, ask: PinAgent) -> PinnedAgent:
        """Safe to run twice: what was registered first stays, and a reset of the run pins it again."""
        seen, known = await self._registering.known(ask.tenant)
        if known is None:
            spec = await self._stored(ask)
            pinned = await self._pins.keep(ask.tenant, spec)
            await self._registering.register(
                seen,
                tenant=ask.tenant,
                spec=spec.name,
                pinned=pinned.digest,
                budget=ask.budget,
                caller=ask.caller,
                started_by=ask.started_by,
                agent=spec,
            )
        else:
            await texts.store(self._blobs, ask.tenant, ask.task)
            body = Text.of((await self._blobs.get(ask.tenant, known.pinned)).decode())
            spec, pinned = await self._pins.read(ask.tenant, body), body.reference()
        return PinnedAgent(spec=spec, pinned=pinned, deployment=self._catalogue.deployment_for(spec.tier))

    async def _stored(self, ask: PinAgent) -> AgentSpec:
        """The agent as its file is now, with its texts and the task in the store."""
        try:
            spec = self._specs.agent(ask.agent)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        if ask.tier is not None:
            spec = spec.model_copy(update={"tier": ask.tier})
        self._catalogue.deployment_for(spec.tier)  # a tier that there is not pins nothing
        how = spec.compaction
        summing_up = () if how is None else (how.instructions,)
        await texts.store(self._blobs, ask.tenant, ask.task, spec.instructions, *summing_up)
        return spec.model_copy(
            update={
                "instructions": spec.instructions.reference(),
                "compaction": how and how.model_copy(update={"instructions": how.instructions.reference()}),
            }
        )
