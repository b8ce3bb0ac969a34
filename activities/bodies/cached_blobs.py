"""A blob store that a process remembers the newest bodies of: the next step of a run asks for what this one stored."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from activities.ports import BlobStore
from perdure.contracts.text import Text

MOST_BYTES = 32 * 1024 * 1024
"""What is remembered at most."""

LARGEST = 1024 * 1024
"""Bytes. A larger body is not remembered: it would take the place of many."""

AFTER = timedelta(minutes=10)
"""How long a body is remembered, so that one which was forgotten or damaged in the store does not live on here."""


class RememberedBodies:
    """A `BlobStore` over another. What has a digest never changes, so what was read or stored stays right.

    A look at the store is a hop to another thread and back, or a round trip: far more than what a small body costs.
    Everything is stored as before; only what is read may come from memory.
    """

    def __init__(self, blobs: BlobStore, most_bytes: int = MOST_BYTES, after: timedelta = AFTER) -> None:
        self._blobs = blobs
        self._most = most_bytes
        self._after = after.total_seconds()
        self._bodies: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()
        self._held = 0

    async def put(self, tenant: str, body: bytes) -> str:
        [digest] = await self.put_all(tenant, [body])
        return digest

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        digests = await self._blobs.put_all(tenant, bodies)
        for digest, body in zip(digests, bodies, strict=True):
            self._remember(tenant, digest, body)
        return digests

    async def get(self, tenant: str, digest: str) -> bytes:
        [body] = await self.get_all(tenant, [digest])
        return body

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        known = {digest: body for digest in digests if (body := self._known(tenant, digest)) is not None}
        absent = [digest for digest in dict.fromkeys(digests) if digest not in known]
        for digest, body in zip(absent, await self._blobs.get_all(tenant, absent) if absent else [], strict=True):
            self._remember(tenant, digest, body)
            known[digest] = body
        return [known[digest] for digest in digests]

    def hold(self, tenant: str, *texts: Text) -> None:
        """Remember texts that were stored another way: with a paid reply, in its transaction."""
        for text in texts:
            if text.body is not None:
                self._remember(tenant, text.digest, text.body.encode())

    def _known(self, tenant: str, digest: str) -> bytes | None:
        found = self._bodies.get((tenant, digest))
        if found is None:
            return None
        if found[0] < time.monotonic():
            self._forget(tenant, digest)
            return None
        self._bodies.move_to_end((tenant, digest))
        return found[1]

    def _remember(self, tenant: str, digest: str, body: bytes) -> None:
        if len(body) > min(LARGEST, self._most):
            return
        self._forget(tenant, digest)
        self._bodies[tenant, digest] = time.monotonic() + self._after, body
        self._held += len(body)
        while self._held > self._most:
            self._forget(*next(iter(self._bodies)))

    def _forget(self, tenant: str, digest: str) -> None:
        found = self._bodies.pop((tenant, digest), None)
        if found is not None:
            self._held -= len(found[1])
