"""How contracts become payloads: pydantic's JSON, with a reason instead of an endless retry for a bad request."""

from typing import Any

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError

from perdure.contracts.contract import explain
from perdure.contracts.run import RunRequest


class ContractPayloadConverter(PydanticJSONPlainPayloadConverter):
    """JSON by pydantic. A run request that does not decode fails its run with the reason.

    Every other payload that does not decode is an unforeseen error: the workflow task is retried until it is mended.
    """

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            if isinstance(type_hint, type) and issubclass(type_hint, RunRequest):
                raise ApplicationError(explain(error), type="BadRequest", non_retryable=True) from None
            raise


class ContractCompositeConverter(CompositePayloadConverter):
    """Temporal's converters with the JSON one replaced by ours."""

    def __init__(self) -> None:
        super().__init__(
            *(
                ContractPayloadConverter() if converter.encoding == "json/plain" else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


data_converter = DataConverter(payload_converter_class=ContractCompositeConverter)
"""The data converter of every client, worker and replayer."""
