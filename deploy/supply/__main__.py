"""Runs `python -m deploy.supply [sbom [FILE] | licences]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.supply.bom import bill_of_materials
from deploy.supply.licences import problems
from deploy.supply.listing import listed
from deploy.supply.packages import pins


def sbom(file: Path | None) -> None:
    """Write the software bill of materials (CycloneDX 1.6, JSON) to a file, or to standard output."""
    document = bill_of_materials()
    text = json.dumps(document, indent=1) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    print(f"{file}: {len(document['components'])} components", file=sys.stderr)


def licences() -> None:
    """Print the licence of everything that is shipped or fetched; end with 1 where one is unknown or not allowed."""
    for row in listed():
        print("\t".join(row))
    if found := [*problems(pins())]:
        sys.exit("\n".join(found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    commands.add_parser("sbom", help=sbom.__doc__).add_argument("file", nargs="?", type=Path, metavar="FILE")
    commands.add_parser("licences", help=licences.__doc__)
    options = parser.parse_args(arguments)
    if options.command == "sbom":
        sbom(options.file)
    else:
        licences()


if __name__ == "__main__":
    main()
