"""The recipes are complete: a throw-away guard, tool, effect, chain and setting, made as the page says, are in use."""

import json
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import ROOT
from tests.docs.recipes import (
    PAGE,
    Edit,
    after,
    at_the_end,
    copy_of_the_checkout,
    every,
    follow,
    passed,
    python,
    recipes,
)

RECIPES = recipes(PAGE.read_text())

KINDS = (
    "guard", "tool", "effect", "step of a chain", "chain", "setting", "limit of the budget", "reader of documents",
    "store", "endpoint",
)  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, which the tests of this file change one after the other."""
    root = tmp_path_factory.mktemp("recipes")
    copy_of_the_checkout(root)
    return root


def test_there_is_a_recipe_for_each_kind_of_change() -> None:
    assert sorted(RECIPES) == sorted(f"An {kind}" if kind[0] in "ae" else f"A {kind}" for kind in KINDS)


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_names_its_files_and_its_check(kind: str) -> None:
    recipe = RECIPES[kind]
    assert len(recipe.files) >= 2
    assert recipe.done
    for file in (*recipe.files, *recipe.further):
        assert "NAME" in file or (ROOT / file).exists(), file
    assert set(recipe.files) - set(recipe.further), "every step is for some changes only"


GUARD: dict[str, Edit] = {
    "activities/adapters/guards/guardrails_validators.py": at_the_end('''

@_register(name="perdure/no_aubergines", data_type="string")
class NoAubergines(Validator):
    """The text names no aubergine."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        return FailResult(error_message="it names a fruit") if "aubergine" in str(value).casefold() else PassResult()
'''),
    "activities/adapters/guards/guardrails_catalogue.py": every(
        after("guardrails_validators import CitationsVerbatim, FiguresQuoted, NamesQuoted,", " NoAubergines,"),
        after(
            "GUARDS: dict[str, Guard] = {\n",
            '    "no_aubergines": Guard(lambda _: NoAubergines(), NoArguments, _own_reason),\n',
        ),
    ),
    "agents/GUARDS.md": after("| `secrets_present` |", " keys, tokens and passwords | |\n| `no_aubergines` |"),
    "tests/ports/guards/test_guards.py": at_the_end("""

async def test_an_aubergine_is_found() -> None:
    assert (await verdict_on("Two aubergines, please.", "no_aubergines")).reason == "it names a fruit"
    assert (await verdict_on("Two pears, please.", "no_aubergines")).passed
"""),
}


def test_a_guard_is_made_as_the_recipe_says(checkout: Path) -> None:
    follow(RECIPES["A guard"], "no_aubergines", GUARD, checkout)
    passed(checkout, "tests/ports/guards/test_guards.py", "tests/docs/test_tables.py", "-k", "aubergine or guard_of")


TOOL: dict[str, Edit] = {
    "tools/spell.py": at_the_end('''"""Spells a word."""

from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Word(ToolArguments):
    """What to spell."""

    word: str


@tool(ToolEffect.READ_ONLY, quick=True)
async def spell(_: ToolContext, asked: Word) -> str:
    """Spell a word, letter by letter."""
    return "-".join(asked.word)
'''),
    "tests/tools/test_spell.py": at_the_end('''"""A word is spelt."""

from tools.base import ToolContext
from tools.spell import spell


async def test_a_word_is_spelt() -> None:
    context = ToolContext(tenant="default", run="r", step="s", key="k")
    assert await spell.use(context, {"word": "tide"}) == "t-i-d-e"
'''),
}


def test_a_tool_is_made_as_the_recipe_says(checkout: Path) -> None:
    follow(RECIPES["A tool"], "spell", TOOL, checkout)
    assert "perdure tool NAME" in RECIPES["A tool"].done
    assert python(checkout, "-m", "deploy.cli", "tool", "spell", '{"word": "pond"}').stdout == "p-o-n-d\n"
    passed(checkout, "tests/tools/test_spell.py")


SETTING: dict[str, Edit] = {
    "activities/settings/__init__.py": after(
        '''    traces: bool = True
    """Whether spans are recorded at all."""
''',
        '''    share: float = Field(default=1.0, ge=0, le=1)
    """Which share of the runs is traced, from 0 to 1."""
''',
    ),
    "tests/activities/settings/test_settings.py": at_the_end("""

def test_the_share_of_traced_runs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_TELEMETRY__SHARE", "0.5")
    assert Settings().telemetry.share == 0.5
"""),
}

READ = "from activities.settings import load; print(load().telemetry.share)"


def test_a_setting_is_made_as_the_recipe_says(checkout: Path) -> None:
    follow(RECIPES["A setting"], "share", SETTING, checkout)
    assert python(checkout, "-c", READ, PERDURE_TELEMETRY__SHARE="0.25").stdout == "0.25\n"
    refused = python(checkout, "-c", READ, PERDURE_TELEMETRY__SHARE="2").stderr
    assert "PERDURE_TELEMETRY__SHARE: Input should be less than or equal to 1" in refused
    passed(checkout, "tests/activities/settings/test_settings.py", "-k", "share_of_traced_runs")


EFFECT: dict[str, Edit] = {
    "perdure/contracts/chains/steps.py": at_the_end('''

class CountWords(Contract):
    """Count the words of a question."""

    tenant: Name
    question: Text


class CountedWords(Contract):
    """How many there are."""

    words: int
'''),
    "workflows/effects.py": every(
        after("    Checked,\n", "    CountedWords,\n    CountWords,\n"),
        after(
            "EFFECTS: tuple[Effect[Any, Any], ...] = (\n",
            "    COUNT_WORDS,\n",
        ),
        lambda text: text.replace(
            "EFFECTS: tuple",
            """COUNT_WORDS = Effect(
    name="count_words",
    ask=CountWords,
    reply=CountedWords,
    world="reads nothing and writes nothing",
    task_queue=Queue.WORKFLOWS,
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)

EFFECTS: tuple""",
            1,
        ),
    ),
    "activities/effects/counting.py": at_the_end('''"""Counts the words of a question."""

from perdure.contracts.chains.steps import CountedWords, CountWords
from workflows.effects import COUNT_WORDS


class Counting:
    """Counts words."""

    @COUNT_WORDS.activity
    async def count_words(self, ask: CountWords) -> CountedWords:
        """Count them. Safe to run twice: it only counts."""
        return CountedWords(words=len((ask.question.body or "").split()))
'''),
    "activities/composition.py": every(
        after(
            "        from activities.effects.auditing import Auditing\n",
            "        from activities.effects.counting import Counting\n",
        ),
        after("presenting = Presenting(self.caller_tokens, self.callers)\n", "        counting = Counting()\n"),
        after("return [routing.route,", " counting.count_words,"),
    ),
    "tests/activities/effects/test_counting.py": at_the_end('''"""Words are counted."""

from activities.effects.counting import Counting
from perdure.contracts.chains.steps import CountWords
from perdure.contracts.text import Text


async def test_the_words_of_a_question_are_counted() -> None:
    ask = CountWords(tenant="default", question=Text.of("Who cleans the pond?"))
    assert (await Counting().count_words(ask)).words == 4
'''),
}

CHAIN: dict[str, Edit] = {
    "workflows/word_count.py": at_the_end('''"""A chain that counts the words of its question."""

from temporalio import workflow

from perdure.contracts.chains.steps import CountedWords, CountWords
from perdure.contracts.runs.run import AskRequest
from workflows.effects import COUNT_WORDS, perform


@workflow.defn(name="word_count")
class WordCount:
    """Asks for one effect."""

    @workflow.run
    async def run(self, ask: AskRequest) -> CountedWords:
        """Count."""
        return await perform(COUNT_WORDS, CountWords(tenant=ask.tenant, question=ask.question))
'''),
    "workflows/plugin.py": every(
        after("from workflows.runner import Sandbox\n", "from workflows.word_count import WordCount\n"),
        after("CHAINS: Sequence[type] = (Chain, Extraction", ", WordCount"),
    ),
}

ROLE = """
import asyncio, json, sys
from contextlib import AsyncExitStack
from pathlib import Path
from activities.composition import Adapters, WorkerRole
from activities.settings import Paths, Settings, Telemetry
from activities.adapters.temporal.client import connect
from activities.adapters.temporal.payload_keys import payload_keys
from perdure.contracts.runs.run import AskRequest
from perdure.contracts.temporal.queues import BY_ROLE, Queue
from worker import workers

async def main(state, run):
    settings = Settings(paths=Paths(state=Path(state)), telemetry=Telemetry(traces=False))
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        client = await connect(settings, parts.blobs, payload_keys(settings.payloads, parts.database))
        for worker in workers(client, settings, parts, [WorkerRole.WORKFLOWS]):
            await stack.enter_async_context(worker)
        request = AskRequest.strictly({"question": "Who cleans the pond?"})
        counted = await client.execute_workflow(
            "word_count", request, id=run, task_queue=Queue.WORKFLOWS, memo={BY_ROLE: True}
        )
        print(json.dumps(counted))

asyncio.run(main(*sys.argv[1:]))
"""
"""A worker of one role, as `worker.py` makes it, and one run."""


async def test_an_effect_and_a_chain_are_made_as_the_recipes_say(
    checkout: Path, tmp_path: Path, client: Client
) -> None:
    follow(RECIPES["An effect"], "counting", EFFECT, checkout)
    follow(RECIPES["A chain"], "word_count", CHAIN, checkout)
    address = client.service_client.config.target_host
    ran = python(checkout, "-c", ROLE, str(tmp_path), f"default:{uuid.uuid4()}", TEMPORAL_ADDRESS=address)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {"words": 4}
    tests = ["tests/activities/effects/test_counting.py", "tests/arch/test_effect_table.py"]
    passed(checkout, *tests, "-k", "count")
    shown = python(checkout, "-m", "deploy.cli", "effects").stdout
    assert "count_words\t" in shown


def test_a_change_that_touches_another_file_is_not_what_the_recipe_says(checkout: Path) -> None:
    with pytest.raises(AssertionError, match="touch other files"):
        follow(RECIPES["A guard"], "spare", {**GUARD, "agents/handbook.toml": at_the_end("#")}, checkout)
    with pytest.raises(AssertionError, match="touch other files"):
        follow(RECIPES["A guard"], "spare", dict(list(GUARD.items())[:-1]), checkout)
