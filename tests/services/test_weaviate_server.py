"""Tests delete what they find on a Weaviate server, so they refuse one that holds documents."""

import asyncio

import pytest

from activities.adapters.stores.open import open_store
from activities.settings import Settings, Store
from tests.ports.stores.chunks import chunk
from tests.services.weaviate_server import Weaviate, forget_everything, named, require_empty

pytestmark = pytest.mark.weaviate


async def fill(kept: Store) -> None:
    async with open_store(Settings(store=kept)) as store:
        await store.replace("acme", "handbook", [chunk(0, "Kept.", [1.0] + [0.0] * 383)])


def test_a_server_that_holds_documents_is_refused_and_an_empty_one_is_not(weaviate: Weaviate) -> None:
    asyncio.run(forget_everything(weaviate.settings))
    require_empty(weaviate.settings)
    asyncio.run(fill(weaviate.settings))
    with pytest.raises(
        pytest.fail.Exception, match="holds Perdure384_handbook, PerdurePointers, which tests would del"
    ):
        require_empty(weaviate.settings)


def test_the_server_of_the_settings_is_never_taken_for_the_tests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_STORE__WEAVIATE", "http://production:8080")
    monkeypatch.delenv("WEAVIATE_URL", raising=False)
    assert named() is None
    monkeypatch.setenv("WEAVIATE_URL", "http://tests:8080")
    assert named() == Store(weaviate="http://tests:8080")
