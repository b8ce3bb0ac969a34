"""Bodies by digest: how activities store the texts that they create and read those that they are handed."""

from collections.abc import Sequence

from activities.ports import BlobStore
from perdure.contracts.text import Text


async def store(blobs: BlobStore, tenant: str, *texts: Text) -> None:
    """Keep the bodies of texts, all at once. A text without a body is there already."""
    bodies = [text.body.encode() for text in texts if text.body is not None]
    if bodies:
        await blobs.put_all(tenant, bodies)


async def read(blobs: BlobStore, tenant: str, text: Text) -> str:
    """A text's body, from the text itself or from the store. Raises `BodyMissing` or `BodyCorrupt`."""
    [body] = await read_all(blobs, tenant, [text])
    return body


async def read_all(blobs: BlobStore, tenant: str, texts: Sequence[Text]) -> list[str]:
    """As `read`, for several texts in one look."""
    absent = list(dict.fromkeys(text.digest for text in texts if text.body is None))
    found = dict(zip(absent, await blobs.get_all(tenant, absent), strict=True)) if absent else {}
    return [text.body if text.body is not None else found[text.digest].decode() for text in texts]
