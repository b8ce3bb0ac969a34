"""Stub ports for model, index, embedder and guards: they give the same answer at once, every time."""

import json
import math
import random
from collections.abc import Sequence

from activities.ports import (
    Caller,
    Chunk,
    Completion,
    Filter,
    Fusion,
    Hit,
    Issued,
    OnPiece,
    Prompt,
    Sampling,
    StorageFailed,
    Subject,
    Usage,
)
from perdure.contracts.guards import GuardSpec, Verdict
from tests.bench.texts import PASSAGES, answer

DIMENSIONS = 384
"""The dimensions of the embedded stack's own embedder: the platform compares sentences with the question."""

_ISSUED = tuple(
    Issued(document=f"document-{number}", version=1, title=f"Document {number}", effective=None, replaces=None)
    for number in range(len(PASSAGES))
)


class StubChat:
    """A model that chooses the first sentence."""

    async def complete(
        self,
        deployment: str,
        prompt: Prompt,
        sampling: Sampling,
        caller: Caller,
        heard: OnPiece | None = None,
    ) -> Completion:
        parts: list[str] = [] if prompt.schema is None else list(prompt.schema["required"])
        content = json.dumps({part: {"source": 1, "answer": answer()} for part in parts})
        return Completion(
            content=content,
            model="stub",
            finish_reason="stop",
            usage=Usage(input_tokens=400, output_tokens=30),
        )


class StubEmbedder:
    """An embedder with the same vector for all texts."""

    dimensions = DIMENSIONS

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1 / math.sqrt(DIMENSIONS)] * DIMENSIONS for _ in texts]

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class StubStore:
    """A store that finds the same passages for every question."""

    fusion = Fusion.RECIPROCAL_RANK

    async def ready(self) -> None:
        """Return at once: the store is always ready."""

    async def search(
        self,
        tenant: str,
        collection: str,
        query: str,
        vector: Sequence[float],
        limit: int,
        *,
        only: Filter | None = None,
    ) -> list[Hit]:
        return [
            Hit(
                chunk=Chunk(
                    document=issued.document,
                    version=issued.version,
                    title=issued.title,
                    effective=issued.effective,
                    replaces=issued.replaces,
                    number=0,
                    text=text,
                    vector=(),
                ),
                score=1.0,
                similarity=0.9,
            )
            for issued, text in zip(_ISSUED, PASSAGES, strict=True)
        ][:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        return list(_ISSUED)

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        raise _unchanging()

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        raise _unchanging()

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        raise _unchanging()

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        raise _unchanging()

    async def count(self, tenant: str, collection: str) -> int:
        return len(_ISSUED)


def _unchanging() -> StorageFailed:
    return StorageFailed("the stub store holds what it holds: nothing is indexed in a benchmark")


class StubGuards:
    """Guards that find nothing and report a random duration, as real ones do."""

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        return tuple(
            Verdict(guard=guard.guard, passed=True, action=guard.action, milliseconds=random.randrange(10_000) / 100)  # noqa: S311
            for guard in guards
        )
