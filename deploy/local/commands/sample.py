"""Indexes the sample handbook into the collection that the first commands ask, unless it has documents of your own.

`up` runs this module as a process of its own, so that what embeds the texts does not stay in memory beside the stack.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from activities import settings as tree
from activities.ports import PortError
from activities.settings import ROOT, Settings, environment_with
from deploy.local.commands.folders import files_in
from deploy.local.stack.parts import passed_on
from deploy.processes.errors import DeployError
from deploy.processes.process import bound_to_this_process
from deploy.processes.progress import CONSOLE

DOCUMENTS = ROOT / "evals" / "datasets" / "handbook" / "documents"
"""The documents of the sample handbook."""

TENANT, COLLECTION = "default", "handbook"

HAS_SAMPLE, HAS_OTHERS = 0, 3
"""The exit codes: the collection holds the sample; it holds other documents, which stay."""


def ensure_sample(settings: Settings) -> bool:
    """Index the sample where it is missing or has changed; return whether the collection holds it.

    A failure is one line: the stack runs without the sample.
    """
    command = [*bound_to_this_process(), sys.executable, "-m", "deploy.local.commands.sample"]
    done = subprocess.run(command, cwd=ROOT, env=environment_with(**passed_on(settings)), check=False)
    if done.returncode not in (HAS_SAMPLE, HAS_OTHERS):
        CONSOLE.print(f"the sample handbook is not indexed: exit code {done.returncode}", highlight=False)
    return done.returncode == HAS_SAMPLE


async def index_sample(settings: Settings) -> bool:
    """Index the sample; return false where the collection has documents of another folder, which stay.

    Raises `PortError` and `DeployError`.
    """
    from activities.adapters.stores.open import open_store
    from deploy.local.commands.index import corpus_record, index_folder

    ours = _made_of_sample(corpus_record(settings, TENANT, COLLECTION))
    if ours is None:
        async with open_store(settings) as store:
            await store.ready()
            ours = not await store.count(TENANT, COLLECTION)  # without a record: a program of its own filled it
    if not ours:
        return False
    indexed = await index_folder(DOCUMENTS, settings, tenant=TENANT, collection=COLLECTION)
    if not indexed.unchanged:
        print(f"the sample handbook is indexed: {indexed.documents} documents, {indexed.chunks} chunks", flush=True)
    return True


def _made_of_sample(record: Path) -> bool | None:
    """Return whether a collection was made of the sample, by the record beside it; None where there is no record."""
    try:
        content = json.loads(record.read_text())
        if "folder" in content:
            return bool(content["folder"] == str(DOCUMENTS))
        names = {str(report["file"]) for report in content["files"]}  # an older record does not name the folder
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return names == {str(path.relative_to(DOCUMENTS)) for path in files_in(DOCUMENTS)}


def main() -> int:
    """Index the sample by the settings; return the exit code."""
    try:
        return HAS_SAMPLE if asyncio.run(index_sample(tree.load())) else HAS_OTHERS
    except (PortError, DeployError) as error:
        print(f"perdure: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
