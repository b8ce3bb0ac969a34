"""Temporal's external storage over the blob store: the net under the rule that bodies travel by digest."""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from activities.ports import NO_TENANT, BlobStore


class BlobPayloads(StorageDriver):
    """Keeps large payloads in the blob store, under the tenant of the run where Temporal tells it, or under none."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def name(self) -> str:
        return "perdure-blobs"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        run = (context.target.id if context.target else None) or ""
        tenant = run.partition(":")[0] if ":" in run else NO_TENANT
        return [
            StorageDriverClaim({"tenant": tenant, "digest": await self._blobs.put(tenant, payload.SerializeToString())})
            for payload in payloads
        ]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        found: list[Payload] = []
        for claim in claims:
            data = await self._blobs.get(claim.claim_data["tenant"], claim.claim_data["digest"])
            found.append(Payload.FromString(data))
        return found


def payload_storage(blobs: BlobStore, threshold: int) -> ExternalStorage:
    """External storage for payloads of at least `threshold` bytes."""
    return ExternalStorage(drivers=[BlobPayloads(blobs)], payload_size_threshold=threshold)
