"""What a run has pinned, read back from the store by its digest."""

from collections import OrderedDict

from activities.bodies import texts
from activities.ports import BlobStore
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.text import Text

REMEMBERED = 256
"""Specs that a process remembers, some kilobytes each: every step of a run asks for the same one."""


class Pins:
    """Specs by tenant and digest. What has a digest never changes, so one that was read stays right."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: OrderedDict[tuple[str, str], AgentSpec] = OrderedDict()

    async def keep(self, tenant: str, spec: AgentSpec) -> Text:
        """Store a spec; returns its JSON by digest."""
        body = Text.of(spec.model_dump_json())
        await texts.store(self._blobs, tenant, body)
        return body.reference()

    async def read(self, tenant: str, pinned: Text) -> AgentSpec:
        """The spec of this digest. Raises `BodyMissing` or `BodyCorrupt`."""
        key = tenant, pinned.digest
        spec = self._known.get(key)
        if spec is None:
            spec = AgentSpec.model_validate_json(await texts.read(self._blobs, tenant, pinned))
            self._known[key] = spec
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return spec
