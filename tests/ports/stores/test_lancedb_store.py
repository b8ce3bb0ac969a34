"""What only the embedded store promises: its files."""

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from activities.adapters.stores.lancedb_store import LanceStore
from activities.ports import StorageFailed
from activities.settings import ROOT
from tests.ports.stores.chunks import AXIS, chunk

FILL = """
import asyncio, resource, sys
from pathlib import Path
from activities.adapters.stores.lancedb_store import LanceStore
from activities.ports import Chunk, StorageFull

async def main():
    store = LanceStore(Path(sys.argv[1]))
    vector = tuple([1.0] + [0.0] * 383)
    chunks = [Chunk("d", 2, "t", None, None, n, f"H alpha {n}", vector) for n in range(400)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    try:
        await store.replace("acme", "handbook", chunks)
    except StorageFull as error:
        print("full:", error)

asyncio.run(main())
"""


async def test_no_room_on_the_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    # A file that may not grow is refused by the system just as a full disk refuses it.
    store = LanceStore(tmp_path / "index")
    await store.replace("acme", "handbook", [chunk(0, "Kept.", AXIS)])
    limited = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FILL, str(tmp_path / "index")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "full: cannot store the collection 'handbook'" in limited.stdout, limited.stderr
    assert "the disk is full; make room" in limited.stdout
    assert await store.count("acme", "handbook") == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65536


async def test_a_folder_that_cannot_be_written_to_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file in its place")
    with pytest.raises(StorageFailed, match=r"cannot write to the index folder: .*check the index folder"):
        await LanceStore(tmp_path / "index").ready()


async def test_only_the_live_table_and_the_one_before_it_stay(tmp_path: Path) -> None:
    store = LanceStore(tmp_path / "index")
    for number in range(4):
        await store.replace("acme", "handbook", [chunk(number, "H\nalpha", AXIS)])
    assert len(list((tmp_path / "index" / "acme" / "handbook").glob("*.lance"))) == 2


async def test_a_broken_alias_is_a_clear_error(tmp_path: Path) -> None:
    store = LanceStore(tmp_path / "index")
    await store.replace("acme", "handbook", [chunk(0, "H\nalpha", AXIS)])
    (tmp_path / "index" / "acme" / "handbook" / "alias.json").write_text("{")
    with pytest.raises(StorageFailed, match="cannot tell what 'handbook' of the tenant 'acme' is an alias of"):
        await store.count("acme", "handbook")
