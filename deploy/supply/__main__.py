"""Runs `python -m deploy.supply [sbom [FILE] | licences]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.supply.bom import bill_of_materials
from deploy.supply.licences import licence_of, problems
from deploy.supply.packages import in_production, pins
from deploy.supply.shipped import BUNDLED, built_servers, weights


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
    locked, production = pins(), in_production()
    for pin in locked:
        use = "" if pin.name in production or not pin.is_for_here else "\tbuilds and tests only"
        print(f"{pin.name}\t{pin.version}\t{licence_of(pin.name)}{use}")
    for each in BUNDLED:
        print(f"{each.name}\tin {each.package}\t{each.licence}")
    for weight in weights():
        print(f"{weight.name}\tweights\t{weight.licence}")
    for server in built_servers():
        print(f"{server.name}\t{server.version}\t{server.licence}\tbuilt where it runs")
    if found := [*problems(locked)]:
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
