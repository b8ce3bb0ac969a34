"""`perdure index`: make a folder of documents searchable."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import options
from deploy.cli.stack import settings_with
from perdure.cli import options as shared
from perdure.cli.output import Output


def index(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of documents.", show_default=False)],
    *,
    tenant: options.Tenant = "default",
    collection: options.Collection = "handbook",
    store: options.Store = None,
    strict: Annotated[bool, typer.Option("--strict", help="Index nothing if one file cannot be read.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Index a folder of documents, in place of what the collection held before."""
    from deploy.local.commands.folders import reported
    from deploy.local.commands.index import checked_name, index_folder

    out, began = Output(as_json=as_json), time.monotonic()
    checked_name(tenant, "--tenant")
    checked_name(collection, "--collection")
    indexed = asyncio.run(
        index_folder(folder, settings_with(store), tenant=tenant, collection=collection, strict=strict)
    )
    if as_json:
        counts = {"documents": indexed.documents, "chunks": indexed.chunks, "unchanged": indexed.unchanged}
        out.json({"tenant": tenant, "collection": collection, **counts, "files": indexed.files})
        return
    how = "unchanged" if indexed.unchanged else f"indexed in {time.monotonic() - began:.1f} s"
    out.say(*reported(indexed.files), f"{collection}: {indexed.documents} documents, {indexed.chunks} chunks, {how}")
