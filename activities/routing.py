"""Pins what decides a run, and chooses where paid attempts go."""

from activities import questions, texts
from activities.ports import BlobStore, Catalogue, NotConfigured
from agents.loader import BadSpec, Specs
from perdure.contracts.steps import BindDeployment, BoundDeployment, Route, Routed
from perdure.contracts.text import Text
from workflows.effects import BIND_DEPLOYMENT, ROUTE


class Routing:
    """The effects `route` and `bind_deployment`."""

    def __init__(self, specs: Specs, catalogue: Catalogue, blobs: BlobStore) -> None:
        self._specs = specs
        self._catalogue = catalogue
        self._blobs = blobs

    @ROUTE.activity
    async def route(self, ask: Route) -> Routed:
        """Safe to run twice: it reads files and stores texts under their digests. The reply in the history decides."""
        try:
            spec = self._specs.chain(ask.chain)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        if ask.tier is not None:
            spec = spec.model_copy(update={"tier": ask.tier})
        deployment = self._catalogue.deployment_for(spec.tier)
        question = await texts.read(self._blobs, ask.tenant, ask.question)
        parts = tuple(Text.of(part) for part in questions.parts_of(question))
        await texts.store(self._blobs, ask.tenant, ask.question, spec.instructions, *parts)
        if len(parts) == 1 and parts[0].digest == ask.question.digest:
            # The asker's own text crosses the history once, in the request that started the run.
            parts = (ask.question.reference(),)
        parts = tuple(part.carried() for part in parts)
        pinned = spec.model_copy(update={"instructions": spec.instructions.reference()})
        return Routed(spec=pinned, deployment=deployment, parts=parts)

    @BIND_DEPLOYMENT.activity
    async def bind_deployment(self, ask: BindDeployment) -> BoundDeployment:
        """Safe to run twice: it only reads the catalogue."""
        return BoundDeployment(deployment=self._catalogue.deployment_for(ask.tier, ask.excluding, ask.window))
