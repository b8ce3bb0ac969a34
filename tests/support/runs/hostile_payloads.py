"""Payloads that must not be believed: references forged, foreign, broken, replayed or only marked, and plain junk."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverStoreContext, StorageDriverWorkflowInfo

from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.adapters.temporal.payload_storage import NAME, BlobPayloads
from activities.ports import BlobStore
from perdure.contracts.temporal.references import LEGACY_ENCODING, MARKER, MESSAGE_ENCODING, MESSAGE_TYPE

SECRET = "the merger of globex is on"  # noqa: S105 - a text that no run of another tenant may ever read
KEPT = 100
"""The size in bytes from which a payload leaves the history in these tests."""


@dataclass(frozen=True)
class GenuineReferences:
    """Genuine references that a forger has read in the histories of other runs."""

    sibling: Payload
    """A reference of another run of the same tenant."""
    foreign: Payload
    """A reference of a run of another tenant."""
    retired: Payload
    """A reference of the very run, signed with a key that is not trusted any more."""


async def genuine_references(blobs: BlobStore, keys: PayloadKeys, run: str) -> GenuineReferences:
    """Return references that workers really wrote, each of which is valid somewhere else."""
    tenant, _, name = run.partition(":")

    async def written(by: PayloadKeys, of: str) -> Payload:
        body = json.dumps({"task": f"{SECRET} {of}".ljust(2 * KEPT), "agent": "clerk", "tenant": tenant}).encode()
        return await stored(BlobPayloads(blobs, by), of, Payload(metadata={"encoding": b"json/plain"}, data=body))

    return GenuineReferences(
        sibling=await written(keys, f"{tenant}:another-{name}"),
        foreign=await written(keys, f"globex:{name}"),
        retired=await written(PayloadKeys([b"a key that was taken away for good"], None), run),
    )


async def stored(driver: BlobPayloads, run: str, payload: Payload) -> Payload:
    """Return a genuine reference to a payload, as the SDK writes it."""
    context = StorageDriverStoreContext(target=StorageDriverWorkflowInfo(namespace="default", id=run))
    [claim] = await driver.store(context, [payload])
    return reference({"driverName": NAME, "claimData": dict(claim.claim_data)}, size=payload.ByteSize())


def reference(body: bytes | str | dict[str, Any], size: int = 10) -> Payload:
    """Return a payload that Temporal takes for a reference, whatever its body."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    payload = Payload(metadata={"encoding": MESSAGE_ENCODING, "messageType": MESSAGE_TYPE}, data=data)
    payload.external_payloads.add().size_bytes = size
    return payload


def hostile(draw: Random, genuine: GenuineReferences) -> tuple[str, Payload]:
    """Return a hostile payload and the name of its kind."""
    kind = draw.choice(list(_KINDS))
    return kind, _KINDS[kind](draw, genuine)


def _claim(payload: Payload) -> dict[str, str]:
    return dict(json.loads(payload.data)["claimData"])


def _with_claim(claim: dict[str, Any], driver: str = NAME) -> Payload:
    return reference({"driverName": driver, "claimData": claim})


def _hex(draw: Random, length: int = 64) -> str:
    return f"{draw.getrandbits(4 * length):0{length}x}"


def _another_driver(draw: Random, genuine: GenuineReferences) -> Payload:
    name = draw.choice(["", "other", "s3", "PERDURE-BLOBS", "perdure-blobs ", "x" * 3000])
    return _with_claim(_claim(genuine.sibling), name)


def _unsigned(draw: Random, genuine: GenuineReferences) -> Payload:
    digest = draw.choice([_hex(draw), _claim(genuine.foreign)["digest"]])
    return _with_claim({"tenant": draw.choice(["default", "globex", "_platform"]), "digest": digest})


def _broken_claim(draw: Random, genuine: GenuineReferences) -> Payload:
    claim: dict[str, Any] = _claim(genuine.sibling)
    name = draw.choice(sorted(claim))
    match draw.randrange(6):
        case 0:
            del claim[name]
        case 1:
            claim[name] = draw.choice(["", "\x00", "é" * 64, claim[name].upper() + "G", "../" + claim[name]])
        case 2:
            claim[draw.choice(["tenant", "run", "x"])] = "globex"
        case 3:
            claim = {}
        case 4:
            claim[name] = claim[name][: draw.randrange(len(claim[name]))]
        case _:
            claim[name] += _hex(draw, 2)
    return _with_claim(claim)


def _broken_message(draw: Random, genuine: GenuineReferences) -> Payload:
    whole = genuine.sibling.data
    return reference(
        draw.choice(
            [
                b"",
                b"null",
                b"[]",
                b'{"driverName": 5}',
                b'{"driverName": "perdure-blobs", "claimData": []}',
                b'{"driverName": "perdure-blobs", "claimData": {"digest": {}}}',
                b'{"driverName": "perdure-blobs", "unheard": 1}',
                b'{"driverName": "\\ud800"}',
                b'{"claimData": ' * 900,
                b"[" * 3000,
                b"\xff\xfe" + draw.randbytes(20),
                b" " * 5_000 + whole,
                draw.randbytes(draw.randrange(1, 60)),
                whole[: draw.randrange(len(whole))],
                whole + whole,
            ]
        )
    )


def _altered(draw: Random, genuine: GenuineReferences) -> Payload:
    """Return a genuine claim with one part changed."""
    claim, other = _claim(genuine.sibling), _claim(genuine.foreign)
    name = draw.choice(["digest", "key", "signature"])
    claim[name] = draw.choice([other[name] if other[name] != claim[name] else _hex(draw, len(claim[name])), _hex(draw)])
    return _with_claim(claim)


def _marked(draw: Random, genuine: GenuineReferences) -> Payload:
    encoding = draw.choice([b"json/plain", b"binary/plain", b"binary/null", b"binary/encrypted", b"json/protobuf", b""])
    marked = Payload(metadata={"encoding": encoding, MARKER: draw.choice([b"true", b"1", b""])})
    marked.data = draw.choice([b"{}", b"", genuine.foreign.data])
    if draw.random() < 0.5:
        marked.external_payloads.add().size_bytes = draw.choice([0, 1, 2**40])
    return marked


def _marked_reference(draw: Random, genuine: GenuineReferences) -> Payload:
    marked = Payload()
    marked.CopyFrom(draw.choice([genuine.sibling, genuine.foreign, reference(b"")]))
    marked.metadata[MARKER] = b"true"
    return marked


def _legacy(draw: Random, genuine: GenuineReferences) -> Payload:
    claim = {"driver_name": NAME, "driver_claim": {"claim_data": _claim(genuine.foreign)}}
    return Payload(
        metadata={"encoding": LEGACY_ENCODING}, data=draw.choice([json.dumps(claim).encode(), b"{}", b"no", b"[1]"])
    )


def _junk(draw: Random, _: GenuineReferences) -> Payload:
    """Return a payload that is no reference, and no decision or request either."""
    encodings = [b"json/plain", b"binary/plain", b"binary/null", b"binary/protobuf", b"json/protobuf", b"no/such", b""]
    types = [b"no.Such", b"temporal.api.common.v1.Payload", b"\xff", MESSAGE_TYPE]
    junk = Payload(data=draw.choice([b"", b"{", b"[" * 5000, b'"\\ud800"', b"NaN", b"{}", b"7", draw.randbytes(30)]))
    if draw.random() < 0.9:
        junk.metadata["encoding"] = draw.choice([*encodings, b"\xff\xfe", b"perdure/unreadable"])
    if draw.random() < 0.3:
        junk.metadata["messageType"] = draw.choice(types)
    if draw.random() < 0.3:
        junk.external_payloads.add().size_bytes = 7
    return junk


def _copy(which: str) -> Callable[[Random, GenuineReferences], Payload]:
    return lambda _, genuine: getattr(genuine, which)


_KINDS: dict[str, Callable[[Random, GenuineReferences], Payload]] = {
    "a text that is not there": lambda draw, _: _with_claim(
        {"digest": _hex(draw), "key": _hex(draw, 16), "signature": _hex(draw)}
    ),
    "another driver": _another_driver,
    "unsigned": _unsigned,
    "a broken claim": _broken_claim,
    "a broken message": _broken_message,
    "an altered claim": _altered,
    "of another run": _copy("sibling"),
    "of another tenant": _copy("foreign"),
    "of a retired key": _copy("retired"),
    "a marker": _marked,
    "a marked reference": _marked_reference,
    "of the old form": _legacy,
    "junk": _junk,
}

KINDS = tuple(_KINDS)
"""The names of the kinds."""
