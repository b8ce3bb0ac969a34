"""No tenant sees, counts or deletes another's chunks: a seeded sample of what `python -m tests.bench` probes."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from activities.adapters.stores.lancedb_store import LanceStore
from activities.ports import Filter, Hit, VectorStore
from tests.support.stores.isolation import probe

PROBES = 150


async def test_no_probe_across_tenants_finds_anything(store: VectorStore) -> None:
    seed = secrets.randbelow(10**6)
    leaks = await probe(store, seed, PROBES)
    assert leaks == [], f"seed {seed}"


class LeakingStore(LanceStore):
    """Takes one tenant for another."""

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
        return await super().search(
            "default" if tenant.startswith("a") else tenant, collection, query, vector, limit, only=only
        )


async def test_a_planted_leak_is_found(tmp_path: Path) -> None:
    leaks = await probe(LeakingStore(tmp_path), 1, PROBES)
    assert any(leak.startswith("search of ('a") and "('default'" in leak for leak in leaks)
