"""Temporal's external storage over the blob store: the net under the rule that bodies travel by digest.

Anybody who can send a payload can send a reference, so a reference is believed only where a worker signed it for the
very run that decodes it. Every other one becomes a payload that no contract reads, and raises nothing.
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
"""What references name as their driver."""

LONGEST: Final = 4096
"""Bytes of a reference; a genuine one has 300. Nothing longer is parsed."""

_log: Any = structlog.get_logger("perdure.history.payloads")


class Claim(NamedTuple):
    """What a genuine reference says."""

    digest: str
    """Of the stored payload."""
    key: str
    """The id of the key that signed."""
    signature: str

    @classmethod
    def of(cls, payload: Payload) -> Self:
        """What a reference says. Raises `ValueError` with the reason where it is none of ours."""
        metadata = payload.metadata
        if metadata.get("encoding") != MESSAGE_ENCODING or metadata.get("messageType") != MESSAGE_TYPE:
            raise ValueError("it is marked as a reference and is none")
        if len(payload.data) > LONGEST:
            raise ValueError("it is longer than a reference is")
        try:
            said = json_format.Parse(payload.data, ExternalStorageReference())
        except (json_format.ParseError, ValueError, RecursionError):
            raise ValueError("it cannot be read as a reference") from None
        if said.driver_name != NAME:
            raise ValueError(f"it names the storage {said.driver_name[:40]!r}, and there is only {NAME!r}")
        claim = dict(said.claim_data)
        if claim.keys() != set(cls._fields) or not all(_FORM[name].fullmatch(claim[name]) for name in cls._fields):
            raise ValueError("its claim has another form than those that workers write")
        return cls(**claim)


_FORM: Final = {
    "digest": re.compile(r"[0-9a-f]{64}"),
    "key": re.compile(r"[0-9a-f]{16}"),
    "signature": re.compile(r"[0-9a-f]{64}"),
}


class BlobPayloads(StorageDriver):
    """Keeps large payloads in the blob store under the tenant of their run, and signs each for that run alone."""

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
            key, signature = await self._keys.sign(_signed(run, digest))
            claims.append(StorageDriverClaim(Claim(digest, key, signature)._asdict()))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Nothing: Temporal does not tell which run asks. `SignedReferences` knows."""
        return [_refused("it was asked for outside a run", "") for _ in claims]

    async def read(self, run: str, payload: Payload) -> Payload:
        """What a reference refers to, where it was signed for this run; else a payload that no contract reads.

        Raises `BodyMissing`, `BodyCorrupt`, `StorageFailed` for a genuine one: an outage, which the run waits out.
        """
        if not run:
            return _refused("it was asked for outside a run", run)
        try:
            claim = Claim.of(payload)
        except ValueError as error:
            return _refused(str(error), run)
        if not await self._keys.verify(claim.key, _signed(run, claim.digest), claim.signature):
            return _refused("no worker signed it for this run, or the key that signed it is known no more", run)
        return Payload.FromString(await self._blobs.get(_tenant(run), claim.digest))


@dataclass(frozen=True)
class SignedReferences(ExternalStorage, WithSerializationContext):
    """Temporal's external storage, which knows on the way in, too, whose payload it is.

    A driver is not told which run a reference came to. So the id comes with the serialization context, the same one on
    both ways, and what reads references is overridden; `tests/contracts/test_references.py` holds the private methods.
    """

    _run: str = field(default="", init=False, repr=False, compare=False)

    @property
    def driver(self) -> BlobPayloads:
        """The only one."""
        return cast("BlobPayloads", self.drivers[0])

    def with_context(self, context: SerializationContext) -> Self:
        """The same for one run, which is also that of its activities; for no run where there is none."""
        run = str(getattr(context, "workflow_id", None) or "")
        if run == self._run:
            return self
        target = StorageDriverWorkflowInfo(namespace=str(getattr(context, "namespace", "")), id=run or None)
        bound = copy.copy(self)  # once for each task: a new object of the SDK's looks all drivers over again
        object.__setattr__(bound, "_run", run)
        object.__setattr__(bound, "_store_context", StorageDriverStoreContext(target=target))
        object.__setattr__(bound, "_select_context", StorageDriverSelectContext(target=target))
        return bound

    def _with_store_context(self, ctx: StorageDriverStoreContext) -> ExternalStorage:
        """As it is: a child's result is stored for its parent by that context, and read back as the child's."""
        return self

    async def _retrieve_payload(self, payload: Payload) -> Payload:
        if not is_reference(payload):
            return payload
        began = time.monotonic()
        found = await self.driver.read(self._run, payload)
        self._record_metrics(1, found.ByteSize(), began, {NAME})
        return found

    async def _retrieve_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._retrieve_payload(payload) for payload in payloads]


def payload_storage(blobs: BlobStore, keys: PayloadKeys, threshold: int) -> ExternalStorage:
    """External storage for payloads of at least `threshold` bytes. One that belongs to no run stays where it is."""
    driver = BlobPayloads(blobs, keys)

    def only_of_runs(context: StorageDriverSelectContext, _: Payload) -> StorageDriver | None:
        return driver if run_of(context) else None

    return SignedReferences(drivers=[driver], driver_selector=only_of_runs, payload_size_threshold=threshold)


def run_of(context: StorageDriverStoreContext | StorageDriverSelectContext) -> str:
    """The id of the workflow that a payload is stored for; empty for none."""
    return (context.target.id if isinstance(context.target, StorageDriverWorkflowInfo) else None) or ""


def _tenant(run: str) -> str:
    tenant, colon, _ = run.partition(":")
    return tenant if colon else NO_TENANT


def _signed(run: str, digest: str) -> bytes:
    """What is signed: the tenant is part of the run's id, and a digest always has 64 characters."""
    return f"perdure payload 1\n{digest}\n{run}".encode()


def _refused(reason: str, run: str) -> Payload:
    _log.warning("payload_reference_refused", run=run, reason=reason)
    return unreadable(f"the payload refers to a text in external storage that is not read here: {reason}")
