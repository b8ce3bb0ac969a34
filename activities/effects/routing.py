"""Pins a chain's spec, and chooses the deployments of its paid attempts."""

from activities.authorization.registration import Registration
from activities.bodies import texts
from activities.ports import BlobStore, Catalogue, NotConfigured
from activities.text import questions
from agents.loader import BadSpec, Specs
from perdure.contracts.chains.spec import ChainSpec
from perdure.contracts.chains.steps import BindDeployment, BoundDeployment, Route, Routed
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.text import Text
from workflows.effects import BIND_DEPLOYMENT, ROUTE


class Routing:
    """The effects `route` and `bind_deployment`."""

    def __init__(self, specs: Specs, catalogue: Catalogue, blobs: BlobStore, registration: Registration) -> None:
        self._specs = specs
        self._catalogue = catalogue
        self._blobs = blobs
        self._registration = registration

    @ROUTE.activity
    async def route(self, ask: Route) -> Routed:
        """Pin the spec and register the run. Safe to run twice: the first registration stays, also after a reset."""
        execution, run = await self._registration.look(ask.tenant)
        spec = self._spec(ask) if run is None else await self._registered(ask.tenant, run)
        deployment = self._catalogue.deployment_for(spec.tier)
        question = await texts.read(self._blobs, ask.tenant, ask.question)
        parts = tuple(Text.of(part) for part in questions.parts_of(question))
        pinned = Text.of(spec.model_copy(update={"instructions": spec.instructions.reference()}).model_dump_json())
        await texts.store(self._blobs, ask.tenant, ask.question, spec.instructions, *parts, pinned)
        if run is None:
            await self._registration.register(
                execution,
                tenant=ask.tenant,
                spec=spec.name,
                pinned=pinned.digest,
                budget=ask.budget,
                caller=ask.caller,
            )
        if len(parts) == 1 and parts[0].digest == ask.question.digest:
            # The question's text is in the history already, in the request that started the run.
            parts = (ask.question.reference(),)
        parts = tuple(part.carried() for part in parts)
        return Routed(
            spec=spec.model_copy(update={"instructions": spec.instructions.reference()}),
            deployment=deployment,
            parts=parts,
        )

    def _spec(self, ask: Route) -> ChainSpec:
        """Return the chain as its file is now."""
        try:
            spec = self._specs.chain(ask.chain)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        return spec if ask.tier is None else spec.model_copy(update={"tier": ask.tier})

    async def _registered(self, tenant: str, run: RegisteredRun) -> ChainSpec:
        """Return the chain that the run has registered, even if its file has changed since."""
        return ChainSpec.model_validate_json(await self._blobs.get(tenant, run.pinned))

    @BIND_DEPLOYMENT.activity
    async def bind_deployment(self, ask: BindDeployment) -> BoundDeployment:
        """Choose a deployment. Safe to run twice: it only reads the catalogue."""
        return BoundDeployment(deployment=self._catalogue.deployment_for(ask.tier, ask.excluding, ask.window))
