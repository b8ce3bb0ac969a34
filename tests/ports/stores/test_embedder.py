"""What every embedder promises."""

import asyncio
import math
from pathlib import Path

import pytest

from activities.adapters.stores.minilm import MiniLM
from activities.ports import Embedder, NotConfigured


def cosine(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


async def test_every_vector_has_length_one_and_the_declared_dimensions(embedder: Embedder) -> None:
    for vector in await embedder.embed(["A sentence.", "", "word " * 2000]):
        assert len(vector) == embedder.dimensions
        assert math.isclose(cosine(vector, vector), 1.0, rel_tol=1e-5)


async def test_a_texts_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    texts = ["Lunch is at noon.", "The boat carries six people. " * 20, "x"]
    together = await embedder.embed(texts)
    alone = await asyncio.gather(*(embedder.embed([text]) for text in texts))
    assert together == [vector for [vector] in alone]


async def test_like_meanings_are_nearer_than_like_words(embedder: Embedder) -> None:
    question, same_meaning, same_words = await embedder.embed(
        [
            "The vehicle broke down on the motorway.",
            "Our car stopped working on the highway.",
            "The vehicle tax went down on Monday.",
        ]
    )
    assert cosine(question, same_meaning) > cosine(question, same_words)


async def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert await embedder.embed([]) == []


def test_missing_and_damaged_weights_are_named(tmp_path: Path) -> None:
    model, tokenizer = tmp_path / "model.onnx", tmp_path / "tokenizer.json"
    with pytest.raises(NotConfigured, match=r"'model\.onnx' is missing: run `make setup`"):
        MiniLM(model, tokenizer)
    model.write_bytes(b"damaged")
    tokenizer.write_bytes(b"damaged")
    with pytest.raises(NotConfigured, match="cannot be loaded"):
        MiniLM(model, tokenizer)
