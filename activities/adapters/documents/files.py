"""Reads the text of files for the documents port."""

import asyncio

from activities.adapters.documents.plain import read_text


class FileDocuments:
    """A `Documents` for text, Markdown, HTML and PDF. Parsing is CPU-bound, so it runs on a thread."""

    async def text(self, name: str, data: bytes) -> str:
        return await asyncio.to_thread(read_text, name, data)
