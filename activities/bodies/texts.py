"""Stores the bodies of texts that activities create, and reads the bodies of those that they are given."""

from collections.abc import Sequence

from activities.ports import BlobStore
from perdure.contracts.text import Text


async def store(blobs: BlobStore, tenant: str, *texts: Text) -> None:
    """Store the bodies of texts, all at once. A text without a body is in the store already."""
    bodies = [text.body.encode() for text in texts if text.body is not None]
    if bodies:
        await blobs.put_all(tenant, bodies)


async def read(blobs: BlobStore, tenant: str, text: Text) -> str:
    """Return a text's body, from the text itself or from the store. Raises `BodyMissing` or `BodyCorrupt`."""
    [body] = await read_all(blobs, tenant, [text])
    return body


async def read_all(blobs: BlobStore, tenant: str, texts: Sequence[Text]) -> list[str]:
    """Return the bodies of several texts, in their order, in one read. Raises `BodyMissing` or `BodyCorrupt`."""
    absent = list(dict.fromkeys(text.digest for text in texts if text.body is None))
    stored = dict(zip(absent, await blobs.get_all(tenant, absent), strict=True)) if absent else {}
    return [text.body if text.body is not None else stored[text.digest].decode() for text in texts]
