"""A gRPC proxy before a real Weaviate that lets some objects of a batch fail, as a busy cluster does."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from weaviate.proto.v1 import batch_pb2

from deploy.processes.ports import HOST

BATCH = "/weaviate.v1.Weaviate/BatchObjects"
SAID = "put object: shard at /var/lib/secret-path: deadline exceeded while storing 'the text of a chunk'"
"""The error message of an object that fails: a kind of sentence that must not leave the adapter."""


@dataclass
class FailingBatches:
    """The failures to make, and the batches that were sent."""

    times: dict[int, int]
    """The number of failures to make, by the number of the chunk."""
    port: int = 0
    batches: list[list[int]] = field(default_factory=list[list[int]])
    """The numbers of the chunks in each batch that was sent."""

    def fails(self, number: int) -> bool:
        remaining = self.times.get(number, 0)
        self.times[number] = remaining - 1
        return remaining > 0


@asynccontextmanager
async def failing_batches(upstream: str, times: dict[int, int]) -> AsyncGenerator[FailingBatches]:
    """Forward every call to the gRPC address, but let these chunks fail so often."""
    batches = FailingBatches(dict(times))
    async with grpc.aio.insecure_channel(upstream) as channel:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Handlers(channel, batches),))
        batches.port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        try:
            yield batches
        finally:
            await server.stop(None)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.aio.Channel, batches: FailingBatches) -> None:
        self._channel = channel
        self._batches = batches

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        upstream = cast("Callable[..., Awaitable[bytes]]", self._channel.unary_unary(method))

        async def pass_on(request: bytes, context: Any) -> bytes:
            metadata = tuple(
                (key, value) for key, value in context.invocation_metadata() or () if key == "authorization"
            )
            if method != BATCH:
                return await upstream(request, metadata=metadata)
            return await self._batch(request, lambda passed_on: upstream(passed_on, metadata=metadata))

        return cast("Any", grpc).unary_unary_rpc_method_handler(pass_on)

    async def _batch(self, request: bytes, store: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        batch = batch_pb2.BatchObjectsRequest.FromString(request)
        properties = [cast("Any", one.properties.non_ref_properties) for one in batch.objects]
        numbers = [int(each["number"]) if "number" in each else -1 for each in properties]
        self._batches.batches.append(numbers)
        failed = [place for place, number in enumerate(numbers) if self._batches.fails(number)]
        passed_on = batch_pb2.BatchObjectsRequest(
            objects=[one for place, one in enumerate(batch.objects) if place not in failed],
            consistency_level=batch.consistency_level if batch.HasField("consistency_level") else None,
        )
        reply = batch_pb2.BatchObjectsReply.FromString(await store(passed_on.SerializeToString()))
        for place in failed:
            reply.errors.add(index=place, error=SAID)
        return reply.SerializeToString()
