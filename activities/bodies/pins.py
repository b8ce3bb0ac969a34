"""Pinned agent specs, stored and read back by digest."""

from collections import OrderedDict

from activities.bodies import texts
from activities.ports import BlobStore
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.text import Text

REMEMBERED = 256
"""The most specs in a process's cache, some kilobytes each: every step of a run reads the same one."""


class Pins:
    """Specs by tenant and digest. The spec of a digest never changes, so a cached one stays right."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._cache: OrderedDict[tuple[str, str], AgentSpec] = OrderedDict()

    async def store(self, tenant: str, spec: AgentSpec) -> Text:
        """Store a spec, and return the reference to its JSON."""
        body = Text.of(spec.model_dump_json())
        await texts.store(self._blobs, tenant, body)
        return body.reference()

    async def read(self, tenant: str, pinned: Text) -> AgentSpec:
        """Return the spec of this digest. Raises `BodyMissing` or `BodyCorrupt`."""
        key = tenant, pinned.digest
        spec = self._cache.get(key)
        if spec is None:
            spec = AgentSpec.model_validate_json(await texts.read(self._blobs, tenant, pinned))
            self._cache[key] = spec
            if len(self._cache) > REMEMBERED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return spec
