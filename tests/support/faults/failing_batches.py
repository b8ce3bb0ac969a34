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
"""What is said of an object that fails: the kind of sentence that must not leave the adapter."""


@dataclass
class FailingBatches:
    """What fails, and what was asked."""

    times: dict[int, int]
    """How often the chunk of that number fails."""
    port: int = 0
    batches: list[list[int]] = field(default_factory=list[list[int]])
    """The numbers of the chunks in each batch that was sent."""

    def fails(self, number: int) -> bool:
        left = self.times.get(number, 0)
        self.times[number] = left - 1
        return left > 0


@asynccontextmanager
async def failing_batches(upstream: str, times: dict[int, int]) -> AsyncGenerator[FailingBatches]:
    """Pass everything on to the gRPC address, but fail these chunks so often."""
    seen = FailingBatches(dict(times))
    async with grpc.aio.insecure_channel(upstream) as channel:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Handlers(channel, seen),))
        seen.port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        try:
            yield seen
        finally:
            await server.stop(None)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.aio.Channel, seen: FailingBatches) -> None:
        self._channel = channel
        self._seen = seen

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        upstream = cast("Callable[..., Awaitable[bytes]]", self._channel.unary_unary(method))

        async def pass_on(request: bytes, context: Any) -> bytes:
            metadata = tuple(
                (key, value) for key, value in context.invocation_metadata() or () if key == "authorization"
            )
            if method != BATCH:
                return await upstream(request, metadata=metadata)
            return await self._batch(request, lambda kept: upstream(kept, metadata=metadata))

        return cast("Any", grpc).unary_unary_rpc_method_handler(pass_on)

    async def _batch(self, request: bytes, store: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        asked = batch_pb2.BatchObjectsRequest.FromString(request)
        properties = [cast("Any", one.properties.non_ref_properties) for one in asked.objects]
        numbers = [int(each["number"]) if "number" in each else -1 for each in properties]
        self._seen.batches.append(numbers)
        failed = [place for place, number in enumerate(numbers) if self._seen.fails(number)]
        kept = batch_pb2.BatchObjectsRequest(
            objects=[one for place, one in enumerate(asked.objects) if place not in failed],
            consistency_level=asked.consistency_level if asked.HasField("consistency_level") else None,
        )
        reply = batch_pb2.BatchObjectsReply.FromString(await store(kept.SerializeToString()))
        for place in failed:
            reply.errors.add(index=place, error=SAID)
        return reply.SerializeToString()
