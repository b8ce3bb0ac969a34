"""Temporal's external storage over the blob store, for payloads that are large although bodies travel by digest.

Anybody who can send a payload can send a reference. So a reference is believed only if a worker signed it for the run
that decodes it. Any other reference raises nothing: it becomes a payload that no contract can read.
"""

import copy
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self, cast

import structlog
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference
from temporalio.converter import (
    ExternalStorage,
    SerializationContext,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    WithSerializationContext,
)

from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.ports import NO_TENANT, BlobStore
from perdure.contracts.temporal.references import MESSAGE_ENCODING, MESSAGE_TYPE, is_reference, unreadable

NAME: Final = "perdure-blobs"
"""The name of the storage driver in references."""

MAX_REFERENCE_BYTES: Final = 4096
"""The largest reference that is parsed, in bytes; a genuine one has about 300."""

_log: Any = structlog.get_logger("perdure.history.payloads")


class Claim(NamedTuple):
    """The content of a genuine reference."""

    digest: str
    """The digest of the stored payload."""
    key: str
    """The id of the key that signed."""
    signature: str

    @classmethod
    def of(cls, payload: Payload) -> Self:
        """Parse a reference. Raises `ValueError` with the reason where it is not one of the platform's."""
        metadata = payload.metadata
        if metadata.get("encoding") != MESSAGE_ENCODING or metadata.get("messageType") != MESSAGE_TYPE:
            raise ValueError("it is marked as a reference and is none")
        if len(payload.data) > MAX_REFERENCE_BYTES:
            raise ValueError("it is longer than a reference is")
        try:
            reference = json_format.Parse(payload.data, ExternalStorageReference())
        except (json_format.ParseError, ValueError, RecursionError):
            raise ValueError("it cannot be read as a reference") from None
        if reference.driver_name != NAME:
            raise ValueError(f"it names the storage {reference.driver_name[:40]!r}, and there is only {NAME!r}")
        claim = dict(reference.claim_data)
        if claim.keys() != set(cls._fields) or not all(_FORM[name].fullmatch(claim[name]) for name in cls._fields):
            raise ValueError("its claim has another form than those that workers write")
        return cls(**claim)


_FORM: Final = {
    "digest": re.compile(r"[0-9a-f]{64}"),
    "key": re.compile(r"[0-9a-f]{16}"),
    "signature": re.compile(r"[0-9a-f]{64}"),
}


class BlobPayloads(StorageDriver):
    """A storage driver that keeps payloads in the blob store under their run's tenant, each signed for its run."""

    def __init__(self, blobs: BlobStore, keys: PayloadKeys) -> None:
        self._blobs = blobs
        self._keys = keys

    def name(self) -> str:
        return NAME

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        run = run_of(context)
        digests = await self._blobs.put_all(_tenant(run), [payload.SerializeToString() for payload in payloads])
        claims: list[StorageDriverClaim] = []
        for digest in digests:
            key, signature = await self._keys.sign(_signed_message(run, digest))
            claims.append(StorageDriverClaim(Claim(digest, key, signature)._asdict()))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Refuse every claim: Temporal does not say here which run asks. `SignedReferences` calls `read` instead."""
        return [_refused("it was asked for outside a run", "") for _ in claims]

    async def read(self, run: str, payload: Payload) -> Payload:
        """Return the payload of a reference that was signed for this run; else a payload that no contract can read.

        Raises `BodyMissing`, `BodyCorrupt`, `StorageFailed` for a genuine reference: an outage, and the run waits.
        """
        if not run:
            return _refused("it was asked for outside a run", run)
        try:
            claim = Claim.of(payload)
        except ValueError as error:
            return _refused(str(error), run)
        if not await self._keys.verify(claim.key, _signed_message(run, claim.digest), claim.signature):
            return _refused("no worker signed it for this run, or the key that signed it is known no more", run)
        return Payload.FromString(await self._blobs.get(_tenant(run), claim.digest))


@dataclass(frozen=True)
class SignedReferences(ExternalStorage, WithSerializationContext):
    """Temporal's external storage, which knows a payload's run also when it reads.

    Temporal does not tell a driver which run a reference came to. So the run's id is taken from the serialization
    context, for writing and for reading, and the private methods that read references are overridden;
    `tests/contracts/test_references.py` checks that they exist.
    """

    _run: str = field(default="", init=False, repr=False, compare=False)

    @property
    def driver(self) -> BlobPayloads:
        """The only driver."""
        return cast("BlobPayloads", self.drivers[0])

    def with_context(self, context: SerializationContext) -> Self:
        """Return this storage bound to the run of a workflow's or an activity's context, or to no run."""
        run = str(getattr(context, "workflow_id", None) or "")
        if run == self._run:
            return self
        target = StorageDriverWorkflowInfo(namespace=str(getattr(context, "namespace", "")), id=run or None)
        bound = copy.copy(self)  # runs once for each task; constructing a new object would check all drivers again
        object.__setattr__(bound, "_run", run)
        object.__setattr__(bound, "_store_context", StorageDriverStoreContext(target=target))
        object.__setattr__(bound, "_select_context", StorageDriverSelectContext(target=target))
        return bound

    def _with_store_context(self, ctx: StorageDriverStoreContext) -> ExternalStorage:
        """Ignore the SDK's context: by it a child's result would be stored for its parent, but read as the child's."""
        return self

    async def _retrieve_payload(self, payload: Payload) -> Payload:
        if not is_reference(payload):
            return payload
        began = time.monotonic()
        stored = await self.driver.read(self._run, payload)
        self._record_metrics(1, stored.ByteSize(), began, {NAME})
        return stored

    async def _retrieve_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._retrieve_payload(payload) for payload in payloads]


def payload_storage(blobs: BlobStore, keys: PayloadKeys, threshold: int) -> ExternalStorage:
    """Return external storage for payloads of at least `threshold` bytes. A payload without a run stays inline."""
    driver = BlobPayloads(blobs, keys)

    def only_of_runs(context: StorageDriverSelectContext, _: Payload) -> StorageDriver | None:
        return driver if run_of(context) else None

    return SignedReferences(drivers=[driver], driver_selector=only_of_runs, payload_size_threshold=threshold)


def run_of(context: StorageDriverStoreContext | StorageDriverSelectContext) -> str:
    """Return the id of the workflow that a payload is stored for; empty for none."""
    return (context.target.id if isinstance(context.target, StorageDriverWorkflowInfo) else None) or ""


def _tenant(run: str) -> str:
    tenant, colon, _ = run.partition(":")
    return tenant if colon else NO_TENANT


def _signed_message(run: str, digest: str) -> bytes:
    """Return the message to sign. The run's id holds the tenant; the digest always has 64 characters."""
    return f"perdure payload 1\n{digest}\n{run}".encode()


def _refused(reason: str, run: str) -> Payload:
    _log.warning("payload_reference_refused", run=run, reason=reason)
    return unreadable(f"the payload refers to a text in external storage that is not read here: {reason}")
