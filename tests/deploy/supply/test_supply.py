"""What is shipped: every locked package has a licence that may be shipped, and the bill of materials is whole."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression

from activities.settings import ROOT
from deploy.supply.bom import bill_of_materials
from deploy.supply.licences import ALLOWED, is_allowed, problems
from deploy.supply.packages import Pin, in_production, pins
from deploy.supply.shipped import BUNDLED, built_servers, weights
from tests.docs.test_tables import named

FORBIDDEN = ("GPL-2.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "SSPL-1.0", "BUSL-1.1", "LicenseRef-Proprietary")


@pytest.fixture(scope="module")
def bom() -> dict[str, Any]:
    return bill_of_materials()


def test_every_locked_package_has_a_known_licence_that_may_be_shipped() -> None:
    assert list(problems(pins())) == []


def test_everything_beside_packages_may_be_shipped_too() -> None:
    beside = [*BUNDLED, *weights(), *built_servers()]
    assert [each for each in beside if not is_allowed(each.licence)] == []
    assert {each.package for each in BUNDLED} <= {pin.name for pin in pins()}


@pytest.mark.parametrize("licence", FORBIDDEN)
def test_a_forbidden_licence_is_refused_alone_and_together_with_an_allowed_one(licence: str) -> None:
    assert not is_allowed(licence)
    assert not is_allowed(f"MIT AND {licence}")
    assert not is_allowed(f"(MIT OR Apache-2.0) AND {licence}")
    assert is_allowed(f"{licence} OR MIT")


@given(st.lists(st.sampled_from((*sorted(ALLOWED), *FORBIDDEN)), min_size=1, max_size=5), st.booleans())
def test_of_or_one_licence_has_to_be_allowed_and_of_and_each(licences: list[str], either: bool) -> None:  # noqa: FBT001
    expression = (" OR " if either else " AND ").join(licences)
    assert is_allowed(expression) == (any if either else all)(licence in ALLOWED for licence in licences)
    assert is_allowed(f"({expression})") == is_allowed(expression)


@pytest.mark.parametrize("broken", ["", "(MIT", "MIT)", "MIT MIT", "OR MIT", "unknown"])
def test_what_is_no_expression_is_refused(broken: str) -> None:
    assert not is_allowed(broken)


def test_a_package_that_nobody_knows_is_a_problem_that_says_what_to_do() -> None:
    [line] = problems([Pin("nothing-of-the-kind", "1.0", None, ())])
    assert line == "nothing-of-the-kind 1.0: its licence is unknown: read it, and write it into READ"


def test_every_pin_of_the_lock_is_read_with_its_hashes() -> None:
    lines = (ROOT / "requirements.lock").read_text()
    assert len(pins()) == len(re.findall(r"^[a-z0-9][\w.-]*==", lines, re.MULTILINE))
    assert sum(len(pin.hashes) for pin in pins()) == lines.count("--hash=sha256:")
    assert all(pin.hashes for pin in pins())


def test_production_runs_on_the_platforms_packages_and_not_on_those_of_tests() -> None:
    production = in_production()
    assert {"temporalio", "pydantic", "litellm", "xllamacpp", "aiohttp"} <= production
    assert not production & {"pytest", "ruff", "basedpyright", "hypothesis"}


def test_the_bill_names_every_locked_package_every_file_of_weights_and_every_built_server(bom: dict[str, Any]) -> None:
    refs = {component["bom-ref"] for component in bom["components"]}
    assert {pin.purl for pin in pins()} <= refs
    assert {f"weights:{each.name}" for each in weights()} <= refs
    assert {server.purl for server in built_servers()} <= refs
    inside = {each["name"] for component in bom["components"] for each in component.get("components", ())}
    assert inside == {each.name for each in BUNDLED}
    scopes = {component["name"]: component["scope"] for component in bom["components"]}
    assert (scopes["temporalio"], scopes["pytest"], scopes["minilm-l6-v2-int8"]) == ("required", "excluded", "optional")


def test_the_bill_keeps_to_the_rules_of_its_format(bom: dict[str, Any]) -> None:
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bom["serialNumber"])
    every = [bom["metadata"]["component"], *bom["components"]]
    every += [each for component in bom["components"] for each in component.get("components", ())]
    refs = [component["bom-ref"] for component in every]
    assert len(refs) == len(set(refs))
    assert {component["type"] for component in every} == {"application", "library", "machine-learning-model"}
    for component in every:
        [licence] = component["licenses"]
        expression = licence.get("expression") or licence["license"]["id"]
        assert canonicalize_license_expression(expression) == expression
        hashes = component.get("hashes", [])
        assert {(each["alg"], bool(re.fullmatch("[0-9a-f]{64}", each["content"]))) for each in hashes} <= {
            ("SHA-256", True)
        }
    graph = {entry["ref"]: entry["dependsOn"] for entry in bom["dependencies"]}
    assert len(graph) == len(bom["dependencies"])
    assert {*graph, *(each for needed in graph.values() for each in needed)} <= set(refs)
    assert any("pkg:pypi/aiohttp@" in each for each in graph[f"pkg:pypi/litellm@{version('litellm')}"])


def test_the_same_lock_gives_the_same_bill(bom: dict[str, Any]) -> None:
    again = bill_of_materials()
    again["metadata"]["timestamp"] = bom["metadata"]["timestamp"]
    assert again == bom


def test_the_page_of_licences_names_what_is_shipped_beside_packages_and_nothing_else() -> None:
    rows = named("deploy/LICENCES.md")
    beside = {each.name: each.licence for each in (*BUNDLED, *weights())}
    assert set(rows) == set(beside)
    assert all(licence in rows[name] for name, licence in beside.items())


def version(name: str) -> str:
    return next(pin.version for pin in pins() if pin.name == name)
