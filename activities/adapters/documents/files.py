"""The documents port over the files that are known here."""

import asyncio

from activities.adapters.documents.plain import read_text


class FileDocuments:
    """Reads text, Markdown, HTML and PDF. Parsing is CPU-bound, so it runs on a thread."""

    async def text(self, name: str, data: bytes) -> str:
        return await asyncio.to_thread(read_text, name, data)
