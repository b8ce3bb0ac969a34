"""The options that several commands of the platform share."""

from typing import Annotated

import typer

Tiers = Annotated[
    list[str] | None,
    typer.Option("--tier", help="A tier that the model servers serve; may be repeated (default: fast)."),
]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help="Where documents are kept: lancedb or weaviate (default: as set)."),
]
Tenant = Annotated[str, typer.Option("--tenant", envvar="PERDURE_TENANT", help="The tenant.")]
Collection = Annotated[str, typer.Option("--collection", help="The collection of documents.")]
