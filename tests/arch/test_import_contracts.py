"""Every import contract holds, and each is shown to catch a breach of it."""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from activities.settings import ROOT
from tests.arch.conftest import Copy

CONTRACTS: list[str] = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]


@dataclass(frozen=True)
class Breach:
    """A line that breaks a contract when it stands in a file."""

    contract: str
    """How the contract's name begins."""
    file: str
    line: str
    reported: str
    """The import as import-linter reports it."""


BREACHES = (
    Breach("perdure stands alone", "perdure/client.py", "import workflows.effects", "client -> workflows.effects"),
    Breach("perdure stands alone", "perdure/contracts/text.py", "import litellm", "contracts.text -> litellm"),
    Breach("perdure stands alone", "perdure/history/timeline.py", "import typer", "perdure.history.timeline -> typer"),
    Breach("perdure.cli imports", "perdure/cli/commands/runs.py", "import httpx", "perdure.cli.commands.runs -> httpx"),
    Breach("perdure.cli imports", "perdure/cli/app.py", "import workflows.plugin", "cli.app -> workflows.plugin"),
    Breach(
        "nothing imports the command line:", "perdure/client.py", "import perdure.cli.app", "client -> perdure.cli.app"
    ),
    Breach("perdure stands alone", "perdure/testing/stack.py", "import pytest", "testing.stack -> pytest"),
    Breach("perdure.testing.fixtures", "perdure/testing/fixtures.py", "import httpx", "testing.fixtures -> httpx"),
    Breach(
        "nothing imports the command line of", "deploy/processes/rest.py", "import deploy.cli.app", "-> deploy.cli.app"
    ),
    Breach("deploy.cli imports what", "deploy/cli/app.py", "import httpx", "deploy.cli.app -> httpx"),
    Breach("perdure.testing is", "perdure/client.py", "import perdure.testing.bill", "client -> perdure.testing.bill"),
    Breach(
        "nothing imports the plugin",
        "perdure/testing/once.py",
        "import perdure.testing.fixtures",
        "once -> perdure.testing.fixtures",
    ),
    Breach("workflows import only", "workflows/chain.py", "import litellm", "workflows.chain -> litellm"),
    Breach("workflows import only", "workflows/effects.py", "import activities.ports", "effects -> activities.ports"),
    Breach(
        "workflows import only",
        "workflows/run/paid.py",
        "import perdure.client",
        "workflows.run.paid -> perdure.client",
    ),
    Breach("workflows import only", "workflows/run/timeline.py", "import random", "workflows.run.timeline -> random"),
    Breach(
        "workflows import only", "workflows/state_machines/purchase.py", "import os", "state_machines.purchase -> os"
    ),
    Breach(
        "workflows.state_machines import no temporalio",
        "workflows/state_machines/purchase.py",
        "from temporalio import workflow",
        "workflows.state_machines.purchase -> temporalio",
    ),
    Breach(
        "workflows.state_machines import no temporalio",
        "workflows/state_machines/purchase.py",
        "from workflows import effects",
        "workflows.state_machines.purchase -> workflows.effects",
    ),
    Breach("agents import only", "agents/loader.py", "import activities.ports", "agents.loader -> activities.ports"),
    Breach("agents import only", "agents/loader.py", "import temporalio", "agents.loader -> temporalio"),
    Breach("tools import only", "tools/calculator.py", "import httpx", "tools.calculator -> httpx"),
    Breach("tools import only", "tools/base.py", "import activities.ports", "tools.base -> activities.ports"),
    Breach("tools reach the world", "tools/calculator.py", "import urllib.request", "tools.calculator -> urllib"),
    Breach("tools reach the world", "tools/calculator.py", "import subprocess", "tools.calculator -> subprocess"),
    Breach("only activities.adapters", "activities/effects/generation.py", "import litellm", "generation -> litellm"),
    Breach(
        "only activities.adapters",
        "activities/ports/model.py",
        "from sqlalchemy import select",
        "ports.model -> sqlalchemy",
    ),
    Breach("only activities.adapters", "activities/effects/routing.py", "import unheard_of", "routing -> unheard_of"),
    Breach("activities.settings import", "activities/settings/__init__.py", "import httpx", "settings -> httpx"),
    Breach(
        "effects do not call each other",
        "activities/effects/generation.py",
        "from activities.effects.retrieval import Retrieval",
        "activities.effects.generation -> activities.effects.retrieval",
    ),
    Breach(
        "effects do not call each other",
        "activities/effects/guarding.py",
        "import activities.effects.routing",
        "activities.effects.guarding -> activities.effects.routing",
    ),
    Breach(
        "activities are handed their adapters",
        "activities/effects/retrieval.py",
        "from activities.adapters.stores.minilm import MiniLM",
        "activities.effects.retrieval -> activities.adapters.stores.minilm",
    ),
    Breach(
        "activities.adapters fill the ports",
        "activities/adapters/stores/minilm.py",
        "import activities.effects.routing",
        "activities.adapters.stores.minilm -> activities.effects.routing",
    ),
    Breach(
        "evals use of activities",
        "evals/__init__.py",
        "import activities.effects.routing",
        "evals -> activities.effects.routing",
    ),
    Breach("evals use of activities", "evals/__init__.py", "import litellm", "evals -> litellm"),
    Breach(
        "deploy starts the parts", "deploy/processes/errors.py", "import lancedb", "deploy.processes.errors -> lancedb"
    ),
    Breach(
        "deploy starts the parts", "deploy/weaviate/server.py", "import weaviate", "deploy.weaviate.server -> weaviate"
    ),
    Breach(
        "deploy starts the parts",
        "deploy/processes/errors.py",
        "import activities.effects.generation",
        "deploy.processes.errors -> activities.effects.generation",
    ),
    Breach(
        "evals.injection.training imports",
        "evals/injection/training.py",
        "import evals.golden",
        "evals.injection.training -> evals.golden",
    ),
    Breach("api imports only", "api/__init__.py", "import workflows.effects", "api -> workflows.effects"),
    Breach("nothing imports api", "deploy/processes/rest.py", "import api", "deploy.processes.rest -> api"),
    Breach("no room imports one", "workflows/effect.py", "import workflows.run.paid", ".effect -> .run"),
    Breach(
        "the rooms of activities",
        "activities/text/values/dates.py",
        "import activities.tool_calls.results",
        "activities.text.values.dates -> activities.tool_calls.results",
    ),
    Breach(
        "the rooms of perdure.contracts",
        "perdure/contracts/chains/spec.py",
        "import perdure.contracts.runs.retry",
        "perdure.contracts.chains.spec -> perdure.contracts.runs.retry",
    ),
)


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over a copy of the code, as `make arch` does over the checkout."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def findings(copy_of_the_code: Copy) -> dict[str, str]:
    """What import-linter says of each broken contract, its spacing made even, once every breach is planted."""
    root = copy_of_the_code("planted-imports")
    for breach in BREACHES:
        with (root / breach.file).open("a") as file:
            file.write(f"\n{breach.line}\n")
    report = lint_imports(root)
    assert report.returncode == 1, report.stdout + report.stderr
    _, _, broken = report.stdout.partition("Broken contracts")
    even = " ".join(broken.split())
    places = sorted((even.index(name), name) for name in CONTRACTS if name in even)
    ends = [*(place for place, _ in places[1:]), len(even)]
    return {name: even[place:end] for (place, name), end in zip(places, ends, strict=True)}


def test_the_code_keeps_every_contract(copy_of_the_code: Copy) -> None:
    report = lint_imports(copy_of_the_code("clean-imports"))
    assert report.returncode == 0, report.stdout + report.stderr
    assert re.search(rf"{len(CONTRACTS)} kept, 0 broken", report.stdout)


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.file}: {breach.line}")
def test_a_planted_import_breaks_its_contract(breach: Breach, findings: dict[str, str]) -> None:
    (contract,) = [name for name in CONTRACTS if name.startswith(breach.contract)]
    assert contract in findings, f"not broken: {contract}"
    assert re.search(rf"{re.escape(breach.reported)} \((l\.|\d+ import)", findings[contract])


def test_every_contract_is_shown_to_catch_a_breach() -> None:
    shown = {name for name in CONTRACTS for breach in BREACHES if name.startswith(breach.contract)}
    assert shown == set(CONTRACTS)


def test_every_package_of_the_checkout_is_watched() -> None:
    here = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    watched = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert here == set(watched)
