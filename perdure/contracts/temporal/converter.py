"""The payload converter: contracts as pydantic's JSON, and a bad request fails its run instead of retrying for ever."""

import copy
from collections.abc import Sequence
from typing import Any, Self, cast

from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    SerializationContext,
    StorageDriverStoreContext,
    WithSerializationContext,
)
from temporalio.exceptions import ApplicationError

from perdure.contracts.contract import Contract, explain
from perdure.contracts.runs.run import RunRequest
from perdure.contracts.temporal.references import UnreadableConverter, is_reference, unreadable

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class ContractPayloadConverter(PydanticJSONPlainPayloadConverter):
    """A JSON converter based on pydantic. A run request that does not decode fails its run with the reason.

    Every other payload that does not decode is an unforeseen error: Temporal retries the workflow task until a fix is
    deployed. Requests and replies of effects leave out the fields that hold their default: that is a quarter of their
    bytes.
    """

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Contract) or value.spelled_out:
            return super().to_payload(value)
        return Payload(metadata=_ENCODING, data=_JSON.dump_json(value, exclude_defaults=True))


_ENCODING = {"encoding": b"json/plain"}


_CONVERTERS = (
    *(
        ContractPayloadConverter() if converter.encoding == "json/plain" else converter
        for converter in DefaultPayloadConverter.default_encoding_payload_converters
    ),
    UnreadableConverter(),
)


class ContractCompositeConverter(CompositePayloadConverter):
    """Temporal's converters, with the JSON converter replaced by ours.

    The SDK makes a new one for most payloads. All share the converters of `_CONVERTERS`, which cache how each type is
    read.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Return the values. A payload that anybody may have sent never raises an error that is retried for ever.

        A payload that is not a valid run request raises a `BadRequest` with the reason. Without a type hint (an input
        that no handler takes, a memo, the details of a failure) a payload that does not decode stays raw.
        """
        try:
            return _checked(super().from_payloads(payloads, type_hints), type_hints or ())
        except Exception as error:
            if not type_hints:
                return [self._value_or_raw(payload) for payload in payloads]
            if any(_is(hint, RunRequest) for hint in type_hints):
                raise ApplicationError(_reason(error), type="BadRequest", non_retryable=True) from None
            raise

    def _value_or_raw(self, payload: Payload) -> Any:
        try:
            return super().from_payloads([payload])[0]
        except Exception:  # noqa: BLE001 - anybody may have sent it, and no type is expected
            return RawValue(payload)


def _checked(values: list[Any], hints: Sequence[Any]) -> list[Any]:
    """Return the values unchanged. Raises `TypeError` for a value that is not a contract where one is expected.

    JSON of a wrong shape has raised before. Temporal's converters for bytes, null and protobuf ignore the expected
    type: a handler that took their values for its contract would fail its workflow task for ever.
    """
    for value, hint in zip(values, hints, strict=False):
        if not isinstance(value, Contract) and _is(hint, Contract):
            raise TypeError(f"this is a {type(value).__name__}: send one JSON object, a {hint.__name__}")
    return values


def _is(hint: Any, contract: type[Contract]) -> bool:
    return isinstance(hint, type) and issubclass(hint, contract)


def _reason(error: Exception) -> str:
    """Return in one line why an input is not a valid request."""
    if isinstance(error, ValidationError):
        return explain(error)
    if isinstance(error, ApplicationError):
        return error.message
    if isinstance(error, TypeError):
        return str(error)
    return "the run was started with an input that is no JSON: send exactly one request object"


class ContractDataConverter(DataConverter):
    """Temporal's data converter, made cheap per payload, in which no payload raises before our code runs.

    A reference to external storage that may not be read becomes a payload that no contract reads: then a signal counts
    as unknown, an update is refused, and a start fails with the reason. The overridden methods are private methods of
    the SDK: `tests/contracts/test_references.py` checks them against its version.
    """

    def with_context(self, context: SerializationContext) -> Self:
        """Return the converter for one run or activity. Only the external storage depends on the context."""
        storage: Any = self.external_storage
        if self.payload_codec is not None or not isinstance(storage, WithSerializationContext):
            return super().with_context(context)
        # The SDK's own method would build a new payload converter and a new failure converter.
        bound = copy.copy(self)
        object.__setattr__(bound, "external_storage", storage.with_context(context))
        return bound

    def _with_store_context(self, store_ctx: StorageDriverStoreContext) -> DataConverter:
        """Return this converter where the storage has its context already: reading and writing use the same one."""
        if isinstance(self.external_storage, WithSerializationContext):
            return self
        return super()._with_store_context(store_ctx)

    async def _decode_reference_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Leave marked references to the next step: the SDK raises for a mark without a reference."""
        if self.payload_codec is not None:
            return await super()._decode_reference_payload_sequence(payloads)
        return cast("list[Payload]", payloads)

    async def _external_retrieve_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Replace references by their texts, or by payloads that no contract reads. The others stay untouched."""
        if not any(map(is_reference, payloads)):
            # Return the same list object: the SDK copies every payload of an activation that it gets in another list.
            return cast("list[Payload]", payloads)
        storage: Any = self.external_storage
        if storage is None:
            return [unreadable(_ONLY_WORKERS) if is_reference(payload) else payload for payload in payloads]
        return await storage._retrieve_payload_sequence(payloads)  # noqa: SLF001 - the class docstring says why

    async def _decode_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self.payload_codec is not None:
            return await super()._decode_payload_sequence(payloads)
        return cast("list[Payload]", payloads)

    async def _transform_inbound_payload(self, payload: Payload) -> Payload:
        [read] = await self._read([payload])
        return read

    async def _transform_inbound_payloads(self, payloads: Payloads) -> None:
        read = list(await self._read(payloads.payloads))
        del payloads.payloads[:]
        payloads.payloads.extend(read)

    async def _read(self, payloads: Sequence[Payload]) -> list[Payload]:
        payloads = await self._decode_reference_payload_sequence(payloads)
        payloads = await self._external_retrieve_payload_sequence(payloads)
        return await self._decode_payload_sequence(payloads)


_ONLY_WORKERS = (
    "the payload refers to a text in external storage, which only workers read: ask for less, or send it inline"
)


data_converter = ContractDataConverter(payload_converter_class=ContractCompositeConverter)
"""The data converter of every client, worker and replayer."""
