"""How contracts become payloads: pydantic's JSON, with a reason instead of an endless retry for a bad request."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError

from perdure.contracts.contract import Contract, explain
from perdure.contracts.run import RunRequest

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class ContractPayloadConverter(PydanticJSONPlainPayloadConverter):
    """JSON by pydantic. A run request that does not decode fails its run with the reason.

    Every other payload that does not decode is an unforeseen error: the workflow task is retried until it is mended.
    What effects are asked and reply is written without the fields that hold their default: a quarter of it is that.
    """

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Contract) or value.spelled_out:
            return super().to_payload(value)
        return Payload(metadata=_ENCODING, data=_JSON.dump_json(value, exclude_defaults=True))

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            if isinstance(type_hint, type) and issubclass(type_hint, RunRequest):
                raise ApplicationError(explain(error), type="BadRequest", non_retryable=True) from None
            raise


_ENCODING = {"encoding": b"json/plain"}


_CONVERTERS = tuple(
    ContractPayloadConverter() if converter.encoding == "json/plain" else converter
    for converter in DefaultPayloadConverter.default_encoding_payload_converters
)


class ContractCompositeConverter(CompositePayloadConverter):
    """Temporal's converters with the JSON one replaced by ours.

    The SDK makes a new one for most payloads. All share the converters below, which remember how each type is read.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


data_converter = DataConverter(payload_converter_class=ContractCompositeConverter)
"""The data converter of every client, worker and replayer."""
