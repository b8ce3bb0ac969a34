"""Bodies by digest: how activities store a text that they create and read one that they are handed."""

from activities.ports import BlobStore
from perdure.contracts.text import Text


async def store(blobs: BlobStore, tenant: str, text: Text) -> Text:
    """Keep a text's body, and return the text as a reply carries it. A text without a body is there already."""
    if text.body is not None:
        await blobs.put(tenant, text.body.encode())
    return text.carried()


async def read(blobs: BlobStore, tenant: str, text: Text) -> str:
    """A text's body, from the text itself or from the store. Raises `BodyMissing` or `BodyCorrupt`."""
    if text.body is not None:
        return text.body
    return (await blobs.get(tenant, text.digest)).decode()
