"""Payloads in the place of references to external storage that this process may not read. No contract reads them."""

from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.converter import EncodingPayloadConverter
from temporalio.exceptions import ApplicationError

LEGACY_ENCODING: Final = b"json/external-storage-reference"
"""The encoding of a reference, as older SDKs wrote it."""
MESSAGE_ENCODING: Final = b"json/protobuf"
MESSAGE_TYPE: Final = b"temporal.api.sdk.v1.ExternalStorageReference"
MARKER: Final = "__temporal_external_storage_reference"
"""The metadata key of a reference to external storage. A test compares it with the SDK's source."""

UNREADABLE: Final = "perdure/unreadable"
"""The encoding of a payload that only holds the reason why it cannot be read."""

LONGEST_REASON: Final = 400
"""The most characters of a reason: anybody may have sent the payload."""


def is_reference(payload: Payload) -> bool:
    """Return whether Temporal would take a payload for a reference to external storage, marked or not."""
    metadata = payload.metadata
    encoding = metadata.get("encoding")
    if encoding == MESSAGE_ENCODING:
        return metadata.get("messageType") == MESSAGE_TYPE or MARKER in metadata
    # This is quick for nearly every payload: one with no other metadata than its encoding has no mark.
    return encoding == LEGACY_ENCODING or ((encoding is None or len(metadata) > 1) and MARKER in metadata)


def unreadable(reason: str) -> Payload:
    """Return a payload that no contract reads, and that holds the reason."""
    return Payload(metadata={"encoding": UNREADABLE.encode()}, data=reason.encode())


def why_unreadable(payload: Payload) -> str | None:
    """Return the reason why a payload cannot be read; None where it is as it was sent."""
    if payload.metadata.get("encoding") != UNREADABLE.encode():
        return None
    return payload.data.decode(errors="replace")[:LONGEST_REASON] or "it cannot be read"


class UnreadableConverter(EncodingPayloadConverter):
    """A converter that reads nothing: reading a value raises the reason as an error that is not retried."""

    @property
    def encoding(self) -> str:
        return UNREADABLE

    def to_payload(self, value: Any) -> Payload | None:
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        raise ApplicationError(why_unreadable(payload) or UNREADABLE, type="UnreadablePayload", non_retryable=True)
