"""Text as a contract: a digest, an upper bound on its tokens, and its body only where the text is created."""

import hashlib
from typing import Annotated, Any, Self, cast

from pydantic import Field, SerializerFunctionWrapHandler, WrapSerializer, model_validator

from perdure.contracts.contract import BadInput, Contract, Digest

INLINE_LIMIT = 1024 * 1024
"""The largest text, in bytes, that a caller may send or receive inline. A longer one is a clear error."""

BODY_LIMIT = 64 * 1024
"""The size, in bytes, from which a reply leaves the body in the blob store and carries only the digest."""

BRIEF = 64
"""The size, in bytes, up to which a body is no longer than the digest that names it."""


class Text(Contract):
    """A text that is named by its digest.

    Workflow code may branch on `digest` and `tokens`, never on `body`. So a prompt can be priced without reading it,
    and a body can be sealed or deleted while every history still replays.
    """

    digest: Digest
    """SHA-256 of the body's UTF-8 bytes."""
    tokens: int = Field(ge=0)
    """An upper bound of the tokens: the number of UTF-8 bytes. A byte-level tokenizer never makes more tokens than
    that."""
    body: str | None = None
    """The text itself; None where only the digest travels."""

    @classmethod
    def of(cls, body: str) -> Self:
        """Build a text from its body. Raises `BadInput` for one that is not valid Unicode."""
        try:
            data = body.encode()
        except UnicodeEncodeError:
            raise BadInput("text: is not valid Unicode text: send text, not bytes") from None
        return cls(digest=hashlib.sha256(data).hexdigest(), tokens=len(data), body=body)

    @model_validator(mode="before")
    @classmethod
    def _accept_plain(cls, value: object) -> object:
        """Accept a plain string as a text, so that any Temporal client can start a run by hand."""
        if isinstance(value, bytes | bytearray):
            raise ValueError("is bytes: decode them and send text")  # noqa: TRY004 - pydantic reports ValueErrors
        if not isinstance(value, str):
            return _counted(value)
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise ValueError("is not valid Unicode text: send text, not bytes") from None
        return {"digest": hashlib.sha256(data).hexdigest(), "tokens": len(data), "body": value}

    @model_validator(mode="after")
    def _body_has_this_digest(self) -> Self:
        if self.body is not None and hashlib.sha256(self.body.encode()).hexdigest() != self.digest:
            raise ValueError("the body does not have this digest: it was changed on the way")
        return self

    def reference(self) -> Self:
        """Return the text without its body, for every request after the one that created it."""
        return self if self.body is None else self.model_copy(update={"body": None})

    def carried(self) -> Self:
        """Return the text as a reply carries it: with its body below `BODY_LIMIT`, otherwise by digest alone."""
        return self if self.tokens < BODY_LIMIT else self.reference()

    def inline_if_brief(self) -> Self:
        """Return a text whose body is in the history elsewhere already: with its body only up to `BRIEF` bytes."""
        return self if self.tokens <= BRIEF else self.reference()


def _counted(value: object) -> object:
    """Count the tokens of a body that a sender included: a sender's own count is never used."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    body: object = fields.get("body")
    return {**fields, "tokens": len(body.encode(errors="surrogatepass"))} if isinstance(body, str) else fields


def _as_plain(text: Text, write: SerializerFunctionWrapHandler) -> Any:
    """Write a text with a body as a plain string: its digest and its tokens follow from the body."""
    plain = text.body is not None and text.tokens == len(text.body.encode())
    return text.body if plain else write(text)


PlainText = Annotated[Text, WrapSerializer(_as_plain, when_used="json")]
"""A text that is written as a plain string where it has a body. Every reader takes a plain string for a text.

Use it for replies of a run's steps: it keeps histories small. Do not use it for a text that may be deleted: its digest
has to stay.
"""
