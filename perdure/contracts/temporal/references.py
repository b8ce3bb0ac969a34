"""What stands where a payload refers to a text that nobody here may read: a payload that no contract reads."""

from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.converter import EncodingPayloadConverter
from temporalio.exceptions import ApplicationError

LEGACY_ENCODING: Final = b"json/external-storage-reference"
MESSAGE_ENCODING: Final = b"json/protobuf"
MESSAGE_TYPE: Final = b"temporal.api.sdk.v1.ExternalStorageReference"
MARKER: Final = "__temporal_external_storage_reference"
"""How Temporal tells a reference to external storage, held to its source by a test."""

UNREADABLE: Final = "perdure/unreadable"
"""The encoding of a payload that only says why it is not read."""

LONGEST_REASON: Final = 400
"""Characters of a reason: the payload may be anybody's."""


def is_reference(payload: Payload) -> bool:
    """Whether Temporal would take a payload for a reference to external storage, marked or not."""
    metadata = payload.metadata
    encoding = metadata.get("encoding")
    if encoding == MESSAGE_ENCODING:
        return metadata.get("messageType") == MESSAGE_TYPE or MARKER in metadata
    # One look is enough for nearly every payload: what has no other metadata than its encoding has no mark.
    return encoding == LEGACY_ENCODING or ((encoding is None or len(metadata) > 1) and MARKER in metadata)


def unreadable(reason: str) -> Payload:
    """A payload that no contract reads, and that says why."""
    return Payload(metadata={"encoding": UNREADABLE.encode()}, data=reason.encode())


def why_unreadable(payload: Payload) -> str | None:
    """Why a payload is not read; None where it is as it was sent."""
    if payload.metadata.get("encoding") != UNREADABLE.encode():
        return None
    return payload.data.decode(errors="replace")[:LONGEST_REASON] or "it cannot be read"


class UnreadableConverter(EncodingPayloadConverter):
    """Reads nothing: whoever asks for a value gets the reason, as an error that is not tried again."""

    @property
    def encoding(self) -> str:
        return UNREADABLE

    def to_payload(self, value: Any) -> Payload | None:
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        raise ApplicationError(why_unreadable(payload) or UNREADABLE, type="UnreadablePayload", non_retryable=True)
