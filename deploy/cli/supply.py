"""`perdure sbom` and `perdure licences`: what is shipped, with licences and hashes."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import options
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output


def sbom(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it (default: standard output).")
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Write the software bill of materials, as CycloneDX 1.6 in JSON."""
    from deploy.supply.bom import bill_of_materials

    out, document = Output(as_json=as_json), bill_of_materials()
    if file is None:
        out.json(document)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_text(document))
    if as_json:
        out.json({"file": str(file), "components": len(document["components"])})
    else:
        out.say(f"{file}: {len(document['components'])} components")


def licences(*, as_json: options.Json = False) -> None:
    """List the licence of all that is shipped. Ends with 1 where one is unknown or not allowed."""
    from deploy.supply.licences import problems
    from deploy.supply.listing import COLUMNS, listed
    from deploy.supply.packages import pins

    out, rows, found = Output(as_json=as_json), listed(), [*problems(pins())]
    if as_json:
        out.json({"licences": [dict(zip(COLUMNS, row, strict=True)) for row in rows], "problems": found})
    else:
        out.rows(COLUMNS, rows)
        out.note(*found)
    if found:
        raise Ended(Exit.ERROR)


def _text(document: object) -> str:
    import json

    return json.dumps(document, indent=1) + "\n"
