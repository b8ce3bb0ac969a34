"""No payload raises before our code runs, whoever sent it, and only the run that it was written for reads it."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import (
    DataConverter,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    WorkflowSerializationContext,
    _data_converter,
)
from temporalio.exceptions import ApplicationError

from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.adapters.temporal.payload_storage import payload_storage
from activities.ports import BodyMissing
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.runs.control import Pause
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.temporal.references import LEGACY_ENCODING, MARKER, MESSAGE_TYPE, is_reference, why_unreadable
from perdure.contracts.tool_calls.decisions import StepDecision
from tests.support.runs.hostile_payloads import KEPT, SECRET, genuine_references, hostile, stored

RUN = "acme:p1"


class Kept:
    """A store of bodies in memory, by tenant."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant: str, body: bytes) -> str:
        [digest] = await self.put_all(tenant, [body])
        return digest

    async def put_all(self, tenant: str, bodies: Any) -> list[str]:
        named = {hashlib.sha256(body).hexdigest(): body for body in bodies}
        self.bodies |= {(tenant, digest): body for digest, body in named.items()}
        return list(named)

    async def get(self, tenant: str, digest: str) -> bytes:
        if (tenant, digest) not in self.bodies:
            raise BodyMissing(digest)
        return self.bodies[tenant, digest]

    async def get_all(self, tenant: str, digests: Any) -> list[bytes]:
        return [await self.get(tenant, digest) for digest in digests]


BLOBS = Kept()
KEYS = PayloadKeys([b"k" * 32, b"an older key that is still believed"], None)
STORAGE: Any = payload_storage(BLOBS, KEYS, KEPT)


def converter(run: str | None = RUN, storage: Any = STORAGE) -> DataConverter:
    """Return a worker's converter, for one run or for none."""
    plain = dataclasses.replace(data_converter, external_storage=storage)
    return plain if run is None else plain.with_context(WorkflowSerializationContext(namespace="x", workflow_id=run))


async def read(payload: Payload, by: DataConverter | None = None) -> Payload:
    return await (by or converter())._transform_inbound_payload(payload)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


FORGED = asyncio.run(genuine_references(BLOBS, KEYS, RUN))
"""References that were stolen from other runs of the same workers."""


@given(draw=st.randoms(use_true_random=False), of=st.sampled_from([RUN, "globex:p2", "p3", "", None]))
@settings(max_examples=400, deadline=None, print_blob=True)
async def test_what_no_worker_wrote_for_this_run_is_never_read_and_never_raises(draw: Random, of: str | None) -> None:
    kind, payload = hostile(draw, FORGED)
    before = payload.SerializeToString()
    decoded = await read(payload, converter(of))
    assert SECRET.encode() not in decoded.data, kind
    assert is_reference(payload) == (why_unreadable(decoded) is not None) or not is_reference(payload), kind
    assert payload.SerializeToString() == before, "what the SDK gave is left as it was"
    assert (decoded is payload) == (not is_reference(payload)), "what is no reference is not even copied"


@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None, print_blob=True)
async def test_every_way_of_asking_for_a_value_has_an_end(draw: Random) -> None:
    _, payload = hostile(draw, FORGED)
    for by in (converter(), converter(None), converter(storage=None)):
        decoded = await read(payload, by)
        values = by.payload_converter
        assert len(values.from_payloads([decoded, decoded])) == 2, "a number of inputs that nobody expects"
        assert values.from_payloads([decoded], [RawValue])[0].payload == decoded
        refusal = request_of(by, decoded)
        assert refusal is None or (refusal.type, refusal.non_retryable, bool(refusal.message)) == FOR_GOOD


FOR_GOOD = ("BadRequest", True, True)


def request_of(by: DataConverter, payload: Payload) -> ApplicationError | None:
    """Return why a start fails; None where the payload is no request, which `OneRequest` reports."""
    try:
        [request] = by.payload_converter.from_payloads([payload], [AgentInput])
    except ApplicationError as refusal:
        return refusal
    assert not isinstance(request, AgentInput)
    return None


@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, print_blob=True)
async def test_the_details_of_a_failure_that_anybody_may_have_written_raise_nothing(draw: Random) -> None:
    _, payload = hostile(draw, FORGED)
    failure = Failure(message="away")
    failure.application_failure_info.details.payloads.extend([payload, payload])
    error = await converter().decode_failure(failure)
    assert "away" in str(error)


async def test_a_payload_that_is_not_read_says_why_to_whoever_asks_for_a_value() -> None:
    decoded = await read(FORGED.foreign)
    for contract in (Pause, StepDecision, str):
        with pytest.raises(ApplicationError, match="no worker signed it for this run") as refused:
            converter().payload_converter.from_payloads([decoded], [contract])
        assert refused.value.non_retryable


@pytest.mark.parametrize("encoding", ["binary/plain", "binary/null", "json/protobuf"])
@pytest.mark.parametrize("contract", [Pause, StepDecision, AgentInput])
def test_what_is_no_json_is_no_contract_either(encoding: str, contract: type) -> None:
    payload = Payload(metadata={"encoding": encoding.encode(), "messageType": b"temporal.api.common.v1.Payload"})
    payload.data = b"" if encoding == "binary/null" else b"{}"
    with pytest.raises(Exception, match=r"send one JSON object, a (Pause|StepDecision|AgentInput)"):
        converter().payload_converter.from_payloads([payload], [contract])


async def test_what_a_worker_wrote_is_read_by_its_run_alone_by_each_key_that_is_known() -> None:
    payload = Payload(metadata={"encoding": b"json/plain", "more": b"1"}, data=b'"' + b"x" * 200 + b'"')
    for keys in (KEYS, PayloadKeys([b"an older key that is still believed"], None)):
        reference = await stored(payload_driver(keys), RUN, payload)
        assert len(reference.SerializeToString()) < 600
        assert await read(reference) == payload
        assert why_unreadable(await read(reference, converter("acme:p2")))
        assert why_unreadable(await read(reference, converter(None))), "without a run nothing is read"
        assert why_unreadable(await read(reference, converter(storage=None))), "nor without the storage"
    [claim] = await payload_driver(KEYS).retrieve(StorageDriverRetrieveContext(), [claim_of(reference)])
    assert why_unreadable(claim), "nor by the driver itself, which is not told who asks"


def payload_driver(keys: PayloadKeys) -> Any:
    return payload_storage(BLOBS, keys, KEPT).drivers[0]


def claim_of(reference: Payload) -> Any:
    return StorageDriverClaim(json.loads(reference.data)["claimData"])


async def test_a_genuine_payload_whose_body_is_away_is_an_outage() -> None:
    blobs = Kept()
    storage: Any = payload_storage(blobs, KEYS, KEPT)
    [reference] = await converter(storage=storage).encode(["x" * 200])
    blobs.bodies.clear()
    with pytest.raises(BodyMissing):
        await read(reference, converter(storage=storage))


async def test_a_payload_that_belongs_to_no_run_stays_where_it_is() -> None:
    [payload] = await converter(None).encode(["x" * 200])
    assert not is_reference(payload)
    assert len(payload.data) > 200


def test_a_run_brings_no_payload_converter_of_its_own() -> None:
    every = converter(None)
    of_run = every.with_context(WorkflowSerializationContext(namespace="x", workflow_id=RUN))
    assert of_run is not every
    assert of_run.payload_converter is every.payload_converter, "it remembers how each type is read"
    assert of_run.failure_converter is every.failure_converter


async def test_payloads_that_are_no_references_pass_as_the_same_object() -> None:
    payloads = Payloads(payloads=await converter().encode(["a", 1])).payloads
    of_run: Any = converter()
    for step in ("decode_reference", "external_retrieve", "decode"):
        assert await getattr(of_run, f"_{step}_payload_sequence")(payloads) is payloads, "else the SDK copies each"


@given(
    metadata=st.dictionaries(
        st.sampled_from(["encoding", "messageType", MARKER, "x"]),
        st.sampled_from([LEGACY_ENCODING, b"json/protobuf", b"json/plain", MESSAGE_TYPE, b"true", b""]),
    )
)
def test_a_payload_that_the_sdk_takes_for_a_reference_is_one_here(metadata: Mapping[str, bytes]) -> None:
    payload = Payload(metadata=metadata)
    theirs = _data_converter._is_reference_payload(payload) or _data_converter._has_reference_marker(payload)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    assert is_reference(payload) or not theirs
