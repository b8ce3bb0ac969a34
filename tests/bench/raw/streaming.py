"""The raw workflow's generation, streamed by hand: tokens go to a table, which a client polls."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
from temporalio import activity

from tests.bench.raw.contracts import Answer, Prompt

EVERY_SECONDS = 0.025
"""The seconds between two polls of the table. The platform's SQLite log is read at the same pace."""


class Table:
    """The tokens so far, by workflow id, in a SQLite file in WAL mode."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with closing(self._open()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE said (workflow TEXT NOT NULL, text TEXT NOT NULL)")

    async def add(self, workflow: str, text: str) -> None:
        """Add the text of a token."""
        await asyncio.to_thread(self._add, workflow, text)

    async def first(self, workflow: str) -> str:
        """Wait for the first token and return its text."""
        while True:
            if (text := await asyncio.to_thread(self._first, workflow)) is not None:
                return text
            await asyncio.sleep(EVERY_SECONDS)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, isolation_level=None, timeout=10)

    def _add(self, workflow: str, text: str) -> None:
        with closing(self._open()) as database:
            database.execute("INSERT INTO said VALUES (?, ?)", (workflow, text))

    def _first(self, workflow: str) -> str | None:
        with closing(self._open()) as database:
            row = database.execute("SELECT text FROM said WHERE workflow = ? LIMIT 1", (workflow,)).fetchone()
        return None if row is None else str(row[0])


class Streaming:
    """The activity `generate` with a model behind HTTP, in place of the one that does nothing."""

    def __init__(self, model: httpx.AsyncClient, table: Table) -> None:
        self._model = model
        self._table = table

    @activity.defn(name="generate")
    async def generate(self, prompt: Prompt) -> Answer:
        """Stream a reply, and put its first token into the table as soon as it arrives."""
        passages = "\n".join(passage.text for passage in prompt.passages)
        request = {
            "model": prompt.model,
            "stream": True,
            "messages": [{"role": "user", "content": f"{passages}\n{prompt.question.text}"}],
        }
        pieces: list[str] = []
        async with self._model.stream("POST", "/chat/completions", json=request) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if delta := _delta(line):
                    pieces.append(delta)
                    if len(pieces) == 1:
                        await self._table.add(activity.info().workflow_id or "", delta)
        sources = [passage.document for passage in prompt.passages]
        return Answer(text="".join(pieces), sources=sources, input_tokens=0, output_tokens=0)


@asynccontextmanager
async def streaming(url: str, file: Path) -> AsyncGenerator[tuple[Streaming, Table]]:
    """Open the activity and its table, with one pool of connections to the model at `url`."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as model:
        table = Table(file)
        yield Streaming(model, table), table


def _delta(line: str) -> str:
    """Return the text of one line of the stream; empty if it has none."""
    data = line.removeprefix("data: ")
    if data in ("", "[DONE]"):
        return ""
    choices = json.loads(data)["choices"]
    return str(choices[0]["delta"].get("content") or "") if choices else ""
