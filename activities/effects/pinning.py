"""Pins an agent's spec and its tools with their digests, and chooses the deployment of its first thought."""

from activities.authorization.registration import Registration
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.ports import BlobStore, Catalogue, NotConfigured
from agents.agent_file import required
from agents.loader import BadSpec, Specs
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import PinAgent, PinnedAgent
from perdure.contracts.runs.registry import ANONYMOUS
from perdure.contracts.text import Text
from workflows.effects import PIN_AGENT


class Pinning:
    """The effect `pin_agent`."""

    def __init__(
        self, specs: Specs, catalogue: Catalogue, blobs: BlobStore, pins: Pins, registration: Registration
    ) -> None:
        self._specs = specs
        self._catalogue = catalogue
        self._blobs = blobs
        self._pins = pins
        self._registration = registration

    @PIN_AGENT.activity
    async def pin_agent(self, ask: PinAgent) -> PinnedAgent:
        """Pin the spec and register the run. Safe to run twice: the first registration stays, also after a reset."""
        execution, run = await self._registration.look(ask.tenant)
        if run is None:
            spec = await self._stored(ask)
            pinned = await self._pins.store(ask.tenant, spec)
            run = await self._registration.register(
                execution,
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
            body = Text.of((await self._blobs.get(ask.tenant, run.pinned)).decode())
            spec, pinned = await self._pins.read(ask.tenant, body), body.reference()
        return PinnedAgent(
            spec=spec,
            pinned=pinned,
            deployment=self._catalogue.deployment_for(spec.tier),
            subject="" if run.subject == ANONYMOUS else run.subject,
        )

    async def _stored(self, ask: PinAgent) -> AgentSpec:
        """Return the agent as its file is now, and store its texts and the task."""
        try:
            spec = self._specs.agent(ask.agent)
            requires = required(f"requires of the run of {ask.agent!r}", (*spec.requires, *ask.requires), spec.tools)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        spec = spec.model_copy(update={"requires": requires})
        if ask.tier is not None:
            spec = spec.model_copy(update={"tier": ask.tier})
        self._catalogue.deployment_for(spec.tier)  # raises before anything is stored if the tier does not exist
        compaction = spec.compaction
        for_summaries = () if compaction is None else (compaction.instructions,)
        await texts.store(self._blobs, ask.tenant, ask.task, spec.instructions, *for_summaries)
        return spec.model_copy(
            update={
                "instructions": spec.instructions.reference(),
                "compaction": compaction
                and compaction.model_copy(update={"instructions": compaction.instructions.reference()}),
            }
        )
