"""Finds the passages about each part of a question, in the editions that apply today."""

from collections.abc import Sequence
from datetime import UTC, datetime

from activities.bodies import texts
from activities.ports import BlobStore, Embedder, Hit, VectorStore
from activities.text.editions import Editions, Key, editions_on
from activities.text.sentences import heading, sentences
from perdure.contracts.chains.knowledge import Edition, Passage, Sentence, Superseded
from perdure.contracts.chains.steps import Retrieve, Retrieved
from perdure.contracts.text import Text
from workflows.effects import RETRIEVE

CANDIDATES = 4
"""How many chunks are searched for each one that is used, since older editions of the same text are found too."""


class Retrieval:
    """The effect `retrieve`."""

    def __init__(self, store: VectorStore, embedder: Embedder, blobs: BlobStore) -> None:
        self._store = store
        self._embedder = embedder
        self._blobs = blobs

    @RETRIEVE.activity
    async def retrieve(self, ask: Retrieve) -> Retrieved:
        """Retrieve passages. Safe to run twice: it reads the index and stores texts by digest."""
        questions = await texts.read_all(self._blobs, ask.tenant, ask.parts)
        vectors = await self._embedder.embed(questions)
        issued = await self._store.editions(ask.tenant, ask.collection)
        editions = editions_on(datetime.now(UTC).date(), issued)
        passages: list[Passage] = []
        for part, (question, vector) in enumerate(zip(questions, vectors, strict=True)):
            hits = await self._store.search(ask.tenant, ask.collection, question, vector, ask.passages * CANDIDATES)
            candidates = passages_of(part, hits, editions, ask.passages)
            passages.extend(await self._with_best_sentences(candidates, vector, ask.sentences, ask.sentence_margin))
        every = [text for passage in passages for text in (passage.text, *(former.text for former in passage.older))]
        await texts.store(self._blobs, ask.tenant, *every)
        return Retrieved(passages=tuple(passage.carried() for passage in passages))

    async def _with_best_sentences(
        self, passages: Sequence[Passage], question: Sequence[float], limit: int, margin: float
    ) -> list[Passage]:
        """Return the passages with the sentences nearest to the question, and mark these sentences.

        At most `limit` sentences are marked, each at most `margin` less similar to the question than the nearest.
        """
        spans: list[tuple[int, int, int]] = []
        contexts: list[str] = []
        for place, passage in enumerate(passages):
            body = passage.text.body or ""
            for start, end in sentences(body):
                spans.append((place, start, end))
                # A sentence with its heading is found more often than a sentence alone.
                contexts.append(f"{heading(body)}\n{body[start:end]}")
        vectors = await self._embedder.embed(contexts)
        likeness = [sum(a * b for a, b in zip(question, vector, strict=True)) for vector in vectors]
        best = sorted(range(len(spans)), key=lambda number: (-likeness[number], number))[:limit]
        best = [number for number in best if likeness[number] >= likeness[best[0]] - margin]
        marked: dict[int, list[Sentence]] = {}
        for number in sorted(best):
            place, start, end = spans[number]
            marked.setdefault(place, []).append(Sentence(start=start, end=end, relevance=round(likeness[number], 4)))
        return [
            passage.model_copy(update={"sentences": tuple(marked[place])})
            for place, passage in enumerate(passages)
            if place in marked
        ]


def passages_of(part: int, hits: Sequence[Hit], editions: Editions, limit: int) -> list[Passage]:
    """Return the best `limit` hits whose edition applies today, each with the hits of the editions it replaced."""
    former: dict[Key, list[Hit]] = {}
    standing: list[Hit] = []
    for hit in hits:
        key = (hit.chunk.document, hit.chunk.version)
        applies = editions.in_place_of(*key)
        if applies == key:
            standing.append(hit)
        elif applies is not None:
            former.setdefault(applies, []).append(hit)
    return [
        Passage(
            edition=_edition(hit),
            chunk=hit.chunk.number,
            part=part,
            relevance=round(hit.similarity, 4),
            text=Text.of(hit.chunk.text),
            older=tuple(
                Superseded(edition=_edition(old), chunk=old.chunk.number, text=Text.of(old.chunk.text))
                for old in sorted(former.get((hit.chunk.document, hit.chunk.version), []), key=_newest_first)
            ),
        )
        for hit in standing[:limit]
    ]


def _edition(hit: Hit) -> Edition:
    chunk = hit.chunk
    return Edition(document=chunk.document, version=chunk.version, title=chunk.title, effective=chunk.effective)


def _newest_first(hit: Hit) -> tuple[int, int, int]:
    day = hit.chunk.effective
    return (-(day.toordinal() if day else 0), -hit.chunk.version, hit.chunk.number)
