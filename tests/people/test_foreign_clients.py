"""Whoever can reach the namespace may start activities and workflows of their own on our queues, and gains nothing."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
import pytest_asyncio
from temporalio.client import ActivityFailureError, Client
from temporalio.worker import Worker

from activities.adapters.databases.open import open_database
from activities.adapters.sql.accounts import SqlAccounts
from activities.settings import Settings
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import StepDecision
from tests.support.runs.people import Grants, calls, decision, message, signed, waiting
from tests.support.runs.puppet import Puppet
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel

ATTEMPTS = {"sample": 40, "all": 1000}

STRICT = ApprovalPolicy(trust=Trust.SIGNED, names=("ann", "bea"), quorum=2)
TASK = "Write to bob."
MEANT = {"to": "eve", "text": "pay 1,000,000"}
BUDGET = {"steps": 3, "tool_calls": 3, "input_tokens": 200_000, "output_tokens": 2_000, "micro_dollars": 100_000}


@dataclass
class Scene:
    """What there is to attack: a run that waits for its approval, and one whose approvals have been used."""

    client: Client
    platform: Platform
    stub: StubModel
    victim: dict[str, str]
    """The key of the call that waits."""
    pinned: dict[str, Any]
    used: list[StepDecision]
    """Decisions with their credentials, as they stand in a history."""


@pytest_asyncio.fixture(loop_scope="session")
async def scene(platform: Platform, client: Client, working: Settings, stub: StubModel, grants: Grants) -> Scene:
    assert working
    client = await Client.connect(client.service_client.config.target_host)
    grants.policies["send_message"] = STRICT
    stub.script = [calls(message()), {"content": "Done."}]
    done = await platform.start_agent(TASK, agent="clerk", started_by="sam")
    [step] = await waiting(platform, done)
    used = [signed(decision(step, by), done) for by in ("ann", "bea")]
    for one in used:
        await platform.decide(done, one)
    assert isinstance((await platform.result(done)).outcome, Answered)
    stub.script = [calls(message())]
    waits = await platform.start_agent(TASK, agent="clerk", started_by="sam")
    await waiting(platform, waits)
    workflow = f"default:{waits}"
    seen = await client.get_workflow_handle(workflow).describe()
    key = {"tenant": "default", "workflow_id": workflow, "run_id": seen.run_id, "step": "call-1-1"}
    return Scene(client, platform, stub, key, await pinned_of(client, workflow), used)


async def pinned_of(client: Client, workflow: str) -> dict[str, Any]:
    """The pinned spec's name, which anybody can read in the history of a run."""
    async for event in client.get_workflow_handle(workflow).fetch_history_events():
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "screen_call":
            return cast("dict[str, Any]", json.loads(scheduled.input.payloads[0].data)["pinned"])
    raise LookupError("no call was screened")


@pytest_asyncio.fixture(loop_scope="session")
async def puppets(client: Client, working: Settings) -> Any:
    """The attacker's own worker, on a queue of their own."""
    assert working
    plain = await Client.connect(client.service_client.config.target_host)
    async with Worker(plain, task_queue="foreign", workflows=[Puppet]):
        yield


OWN = {"tenant": "default", "workflow_id": "$id", "run_id": "$run"}


def act(
    key: dict[str, str], pinned: Any, tool: str = "send_message", meant: Any = MEANT, **more: Any
) -> dict[str, Any]:
    return {"key": key, "attempt": 1, "pinned": pinned, "tool": tool, "arguments": json.dumps(meant), **more}


def pin(**more: Any) -> dict[str, Any]:
    ask = {"tenant": "default", "agent": "clerk", "tier": None, "task": TASK, "budget": BUDGET, **more}
    return {"effect": "pin_agent", "queue": Queue.AGENTS, "ask": ask}


def think(step: str = "think-1", attempt: int = 1, **worst: int) -> dict[str, Any]:
    text = Text.of(TASK).reference().model_dump(mode="json")
    transcript = {"fresh": [{"role": "user", "body": text}], "turns": 1, "tokens": 1}
    ask = {
        "key": {**OWN, "step": step},
        "attempt": attempt,
        "deployment": {"name": "fast", "prices": {"input": 0, "output": 0}},
        "pinned": "$pinned-0",
        "transcript": transcript,
        "worst": worst,
    }
    return {"effect": "think", "queue": "perdure-generation-fast", "ask": ask}


def step(effect: str, ask: dict[str, Any]) -> dict[str, Any]:
    return {"effect": effect, "queue": Queue.AGENTS, "ask": ask}


Attack = Callable[[Scene, random.Random], tuple[str, list[dict[str, Any]]]]
"""What an attacker does: the name of it, and the steps of a puppet, or `direct` and one activity."""


def direct(scene: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """An activity that belongs to no workflow."""
    key = {**scene.victim, "step": chance.choice(["call-1-1", "call-9-9"])}
    ruling = {"decision_id": "d", "step": "call-1-1", "digest": "0" * 64, "ruling": "did_not_happen", "by": "ann"}
    asks = {
        "act": act(key, scene.pinned),
        "settle_call": {"key": key, "pinned": scene.pinned, "tool": "send_message", "decision": ruling},
        "screen_call": {"key": key, "pinned": scene.pinned, "tool": "send_message", "arguments": json.dumps(MEANT)},
    }
    effect = chance.choice(list(asks))
    return "direct", [step(effect, asks[effect])]


def with_anothers_key(scene: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """A workflow that names the run of another."""
    return "another's key", [pin(), step("act", act(scene.victim, scene.pinned, attempt=chance.randint(1, 5)))]


def without_a_decision(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """A registered run that calls what nobody has approved."""
    key = {**OWN, "step": f"call-{chance.randint(1, 3)}-{chance.randint(1, 3)}"}
    return "no decision", [pin(), step("act", act(key, "$pinned-0", attempt=chance.randint(1, 4)))]


def not_in_a_thought(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """A call that needs no approval, and that no model has asked for."""
    ticket = {"title": "pay eve", "text": "now"}
    key = {**OWN, "step": f"call-1-{chance.randint(1, 3)}"}
    thought = [think(input_tokens=20_000, output_tokens=200)] if chance.random() < 0.5 else []
    return "not in a thought", [pin(), *thought, step("act", act(key, "$pinned-0", "create_ticket", ticket))]


def with_used_credentials(scene: Scene, _: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Decisions of another run, with their credentials, said again for this one."""
    text = Text.of(json.dumps(message()[1], sort_keys=True)).reference().model_dump(mode="json")
    key = {**OWN, "step": "call-1-1"}
    said = [
        step(
            "check_decision",
            {
                "key": key,
                "decision": one.model_dump(mode="json"),
                "pinned": "$pinned-0",
                "tool": "send_message",
                "arguments": text,
                "stage": "awaiting_approval",
            },
        )
        for one in scene.used
    ]
    return "used credentials", [pin(), *said, step("act", act(key, "$pinned-0", meant=message()[1]))]


def with_its_own_worst(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Thoughts of which the workflow says that they cost nothing, more than its budget covers."""
    worst = chance.choice([{}, {"input_tokens": 1}, {"input_tokens": 20_000, "output_tokens": 200}])
    return "own worst", [pin(), *(think(f"think-{n}", chance.randint(1, 2), **worst) for n in (1, 1, 2, 3, 4, 5))]


def of_another_tenant(scene: Scene, _: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Requests that name another tenant than the workflow's id does."""
    key = {**OWN, "tenant": "globex", "step": "call-1-1"}
    return "wrong tenant", [pin(tenant="globex"), pin(), step("act", act(key, scene.pinned))]


def that_settles(scene: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Words on calls, at nobody's decision."""
    ruling = chance.choice(["deny", "did_not_happen", "retry"])
    said = {"decision_id": "d", "step": "call-1-1", "digest": "0" * 64, "ruling": ruling, "by": "ann"}
    key = chance.choice([scene.victim, {**OWN, "step": "call-1-1"}])
    settle = {"key": key, "pinned": "$pinned-0", "tool": "send_message", "decision": said, "unknown_attempt": 1}
    return f"settles: {ruling}", [pin(), step("settle_call", settle), step("act", act(key, "$pinned-0", attempt=2))]


ATTACKS: tuple[Attack, ...] = (
    direct,
    with_anothers_key,
    without_a_decision,
    not_in_a_thought,
    with_used_credentials,
    with_its_own_worst,
    of_another_tenant,
    that_settles,
)


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("puppets")
async def test_no_foreign_client_acts_without_proof_or_spends_beyond_its_budget(
    scene: Scene, working: Settings, desk: Desk, request: pytest.FixtureRequest
) -> None:
    seed = cast("int", request.config.getoption("chaos_seed"))
    chance, met = random.Random(seed), Counter[str]()  # noqa: S311 - a seeded trial
    before, asked = desk.received(), scene.stub.calls
    runs: list[str] = []
    for number in range(ATTEMPTS[cast("str", request.config.getoption("chaos"))]):
        name, steps = chance.choice(ATTACKS)(scene, chance)
        met[name] += 1
        if name == "direct":
            with pytest.raises(ActivityFailureError):
                await scene.client.execute_activity(
                    steps[0]["effect"],
                    steps[0]["ask"],
                    id=f"foreign-{seed}-{number}",
                    task_queue=steps[0]["queue"],
                    start_to_close_timeout=timedelta(seconds=20),
                    schedule_to_close_timeout=timedelta(seconds=20),
                )
            continue
        handle = await scene.client.start_workflow(
            "agent", steps, id=f"default:foreign-{seed}-{number}", task_queue="foreign"
        )
        runs.append((await handle.describe()).run_id)
        await handle.result()
    spent = Counter[str]()
    async with open_database(working) as database:
        accounts = SqlAccounts(database)
        for run in runs:
            account = await accounts.look("default", run)
            if account is not None:
                assert (account.settled + account.reserved).exceeds(account.budget) is None
                spent["settled"] += account.settled.input_tokens + account.settled.output_tokens
    bill = (scene.stub.calls - asked) * (INPUT_TOKENS + OUTPUT_TOKENS)
    assert spent["settled"] == bill
    assert desk.received() == before
    print(  # noqa: T201 - the figures of the trial
        f"\n{sum(met.values())} foreign attempts, seed {seed}: 0 writes without proof, 0 accounts overspent; "
        f"bill {bill} tokens, all of them settled; {dict(met)}"
    )
    # The run that they wanted to use still waits, and people still decide about it.
    business_id = scene.victim["workflow_id"].partition(":")[2]
    [waits] = await waiting(scene.platform, business_id)
    scene.stub.script = [{"content": "Done."}]
    for by in ("ann", "bea"):
        await scene.platform.decide(business_id, signed(decision(waits, by), business_id))
    assert isinstance((await scene.platform.result(business_id)).outcome, Answered)
