"""A cache of the newest bodies before the blob store: the next step of a run reads what this one stored."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from activities.ports import BlobStore
from perdure.contracts.text import Text

MOST_BYTES = 32 * 1024 * 1024
"""The size of the cache, in bytes."""

LARGEST = 1024 * 1024
"""The largest body in the cache, in bytes: a larger one would take the place of many."""

AFTER = timedelta(minutes=10)
"""How long a body stays in the cache, so that one which the store has deleted or damaged is noticed."""


class CachedBlobs:
    """A `BlobStore` over another one. The body of a digest never changes, so a cached one stays right.

    A read from the store is a hop to another thread and back, or a round trip: far more than a small body costs.
    Every body is still stored; only reads may come from memory.
    """

    def __init__(self, blobs: BlobStore, most_bytes: int = MOST_BYTES, after: timedelta = AFTER) -> None:
        self._blobs = blobs
        self._most = most_bytes
        self._after = after.total_seconds()
        self._bodies: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()
        self._size = 0

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
        bodies = {digest: body for digest in digests if (body := self._cached(tenant, digest)) is not None}
        absent = [digest for digest in dict.fromkeys(digests) if digest not in bodies]
        for digest, body in zip(absent, await self._blobs.get_all(tenant, absent) if absent else [], strict=True):
            self._remember(tenant, digest, body)
            bodies[digest] = body
        return [bodies[digest] for digest in digests]

    def hold(self, tenant: str, *texts: Text) -> None:
        """Cache texts that were stored in another way: in the transaction of a paid reply."""
        for text in texts:
            if text.body is not None:
                self._remember(tenant, text.digest, text.body.encode())

    def _cached(self, tenant: str, digest: str) -> bytes | None:
        entry = self._bodies.get((tenant, digest))
        if entry is None:
            return None
        expires_at, body = entry
        if expires_at < time.monotonic():
            self._forget(tenant, digest)
            return None
        self._bodies.move_to_end((tenant, digest))
        return body

    def _remember(self, tenant: str, digest: str, body: bytes) -> None:
        if len(body) > min(LARGEST, self._most):
            return
        self._forget(tenant, digest)
        self._bodies[tenant, digest] = time.monotonic() + self._after, body
        self._size += len(body)
        while self._size > self._most:
            self._forget(*next(iter(self._bodies)))

    def _forget(self, tenant: str, digest: str) -> None:
        entry = self._bodies.pop((tenant, digest), None)
        if entry is not None:
            self._size -= len(entry[1])
