"""Text is one type: a digest, a bound on its tokens, and its body only where it is created."""

import hashlib
from typing import Annotated, Any, Self, cast

from pydantic import Field, SerializerFunctionWrapHandler, WrapSerializer, model_validator

from perdure.contracts.contract import Contract, Digest

INLINE_LIMIT = 1024 * 1024
"""Bytes. What a caller sends and gets stays inline up to here; beyond it there is a clear error."""

BODY_LIMIT = 64 * 1024
"""Bytes. From here on a reply leaves the body in the blob store and carries the digest alone."""

BRIEF = 64
"""Bytes. Up to here a body is no longer than what names it."""


class Text(Contract):
    """Text that is named by its digest.

    Workflow code may branch on `digest` and `tokens`, never on `body`: a prompt can be priced without reading it, and
    a body can be sealed or forgotten while every history still replays.
    """

    digest: Digest
    """SHA-256 of the body's UTF-8 bytes."""
    tokens: int = Field(ge=0)
    """An upper bound in tokens. A byte-level tokenizer never makes more tokens than there are UTF-8 bytes."""
    body: str | None = None
    """The text itself; None where only the digest travels."""

    @classmethod
    def of(cls, body: str) -> Self:
        """Name a body by its digest."""
        data = body.encode()
        return cls(digest=hashlib.sha256(data).hexdigest(), tokens=len(data), body=body)

    @model_validator(mode="before")
    @classmethod
    def _accept_plain(cls, value: object) -> object:
        """A plain string stands for a text, so that any Temporal client can start a run by hand."""
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
        """The same text without its body, for every request after the one that created it."""
        return self if self.body is None else self.model_copy(update={"body": None})

    def carried(self) -> Self:
        """As a reply carries it: with its body below `BODY_LIMIT`, by digest alone from there on."""
        return self if self.tokens < BODY_LIMIT else self.reference()

    def told(self) -> Self:
        """As a reply carries a few words whose body crosses the history elsewhere: with it where that takes no more."""
        return self if self.tokens <= BRIEF else self.reference()


def _counted(value: object) -> object:
    """Fields with a body say how many tokens it has by themselves: no sender's count is believed."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    body: object = fields.get("body")
    return {**fields, "tokens": len(body.encode(errors="surrogatepass"))} if isinstance(body, str) else fields


def _as_plain(text: Text, write: SerializerFunctionWrapHandler) -> Any:
    """A body says its own digest and bound: where it travels, they need not."""
    plain = text.body is not None and text.tokens == len(text.body.encode())
    return text.body if plain else write(text)


PlainText = Annotated[Text, WrapSerializer(_as_plain, when_used="json")]
"""A text that is written as a plain string where it has a body, which any reader takes for the text. For what each step
of a run replies: its history is made of that. Never for a text that is to be forgotten: its digest has to stay."""
