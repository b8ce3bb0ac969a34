"""A foreign client in the namespace can start activities and workflows on our queues, and gains nothing by it."""

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
    """The targets of an attack: a run that waits for approval, and credentials that another run has used."""

    client: Client
    platform: Platform
    stub: StubModel
    victim: dict[str, str]
    """The key of the call that waits."""
    pinned: dict[str, Any]
    used: list[StepDecision]
    """Decisions with their credentials, as a history shows them."""


@pytest_asyncio.fixture(loop_scope="session")
async def scene(platform: Platform, client: Client, working: Settings, stub: StubModel, grants: Grants) -> Scene:
    assert working
    client = await Client.connect(client.service_client.config.target_host)
    grants.policies["send_message"] = STRICT
    stub.script = [calls(message()), {"content": "Done."}]
    finished = await platform.start_agent(TASK, agent="clerk", started_by="sam")
    [step] = await waiting(platform, finished)
    used = [signed(decision(step, by), finished) for by in ("ann", "bea")]
    for used_decision in used:
        await platform.decide(finished, used_decision)
    assert isinstance((await platform.result(finished)).outcome, Answered)
    stub.script = [calls(message())]
    victim = await platform.start_agent(TASK, agent="clerk", started_by="sam")
    await waiting(platform, victim)
    workflow = f"default:{victim}"
    description = await client.get_workflow_handle(workflow).describe()
    key = {"tenant": "default", "workflow_id": workflow, "run_id": description.run_id, "step": "call-1-1"}
    return Scene(client, platform, stub, key, await pinned_of(client, workflow), used)


async def pinned_of(client: Client, workflow: str) -> dict[str, Any]:
    """Return the reference of the pinned spec, which any client can read in the history of a run."""
    async for event in client.get_workflow_handle(workflow).fetch_history_events():
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "screen_call":
            return cast("dict[str, Any]", json.loads(scheduled.input.payloads[0].data)["pinned"])
    raise LookupError("no call was screened")


@pytest_asyncio.fixture(loop_scope="session")
async def puppets(client: Client, working: Settings) -> Any:
    """Start the attacker's worker on a task queue of its own."""
    assert working
    plain = await Client.connect(client.service_client.config.target_host)
    async with Worker(plain, task_queue="foreign", workflows=[Puppet]):
        yield


OWN = {"tenant": "default", "workflow_id": "$id", "run_id": "$run"}


def act(
    key: dict[str, str], pinned: Any, tool: str = "send_message", arguments: Any = MEANT, **more: Any
) -> dict[str, Any]:
    return {"key": key, "attempt": 1, "pinned": pinned, "tool": tool, "arguments": json.dumps(arguments), **more}


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
"""An attack: returns its name and the steps of the attacker's workflow, or `direct` and one activity."""


def direct(scene: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Start an activity that belongs to no workflow."""
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
    """Act under the key of another run."""
    return "another's key", [pin(), step("act", act(scene.victim, scene.pinned, attempt=chance.randint(1, 5)))]


def without_a_decision(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Make a call that nobody has approved, from a registered run."""
    key = {**OWN, "step": f"call-{chance.randint(1, 3)}-{chance.randint(1, 3)}"}
    return "no decision", [pin(), step("act", act(key, "$pinned-0", attempt=chance.randint(1, 4)))]


def not_in_a_thought(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Make a call that needs no approval and that no model has asked for."""
    ticket = {"title": "pay eve", "text": "now"}
    key = {**OWN, "step": f"call-1-{chance.randint(1, 3)}"}
    thought = [think(input_tokens=20_000, output_tokens=200)] if chance.random() < 0.5 else []
    return "not in a thought", [pin(), *thought, step("act", act(key, "$pinned-0", "create_ticket", ticket))]


def with_used_credentials(scene: Scene, _: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Send decisions of another run, with their credentials, for this run."""
    text = Text.of(json.dumps(message()[1], sort_keys=True)).reference().model_dump(mode="json")
    key = {**OWN, "step": "call-1-1"}
    checks = [
        step(
            "check_decision",
            {
                "key": key,
                "decision": used_decision.model_dump(mode="json"),
                "pinned": "$pinned-0",
                "tool": "send_message",
                "arguments": text,
                "stage": "awaiting_approval",
            },
        )
        for used_decision in scene.used
    ]
    return "used credentials", [pin(), *checks, step("act", act(key, "$pinned-0", arguments=message()[1]))]


def with_its_own_worst(_: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Buy more thoughts than the budget covers, and declare a worst case that is too low."""
    worst = chance.choice([{}, {"input_tokens": 1}, {"input_tokens": 20_000, "output_tokens": 200}])
    return "own worst", [pin(), *(think(f"think-{n}", chance.randint(1, 2), **worst) for n in (1, 1, 2, 3, 4, 5))]


def of_another_tenant(scene: Scene, _: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Send requests that name another tenant than the workflow id does."""
    key = {**OWN, "tenant": "globex", "step": "call-1-1"}
    return "wrong tenant", [pin(tenant="globex"), pin(), step("act", act(key, scene.pinned))]


def that_settles(scene: Scene, chance: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Settle a call without a decision of any person."""
    ruling = chance.choice(["deny", "did_not_happen", "retry"])
    decision = {"decision_id": "d", "step": "call-1-1", "digest": "0" * 64, "ruling": ruling, "by": "ann"}
    key = chance.choice([scene.victim, {**OWN, "step": "call-1-1"}])
    settle = {"key": key, "pinned": "$pinned-0", "tool": "send_message", "decision": decision, "unknown_attempt": 1}
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
    rng, counts = random.Random(seed), Counter[str]()  # noqa: S311 - a seeded trial
    received_before, calls_before = desk.received(), scene.stub.calls
    runs: list[str] = []
    for attempt in range(ATTEMPTS[cast("str", request.config.getoption("chaos"))]):
        name, steps = rng.choice(ATTACKS)(scene, rng)
        counts[name] += 1
        if name == "direct":
            with pytest.raises(ActivityFailureError):
                await scene.client.execute_activity(
                    steps[0]["effect"],
                    steps[0]["ask"],
                    id=f"foreign-{seed}-{attempt}",
                    task_queue=steps[0]["queue"],
                    start_to_close_timeout=timedelta(seconds=20),
                    schedule_to_close_timeout=timedelta(seconds=20),
                )
            continue
        handle = await scene.client.start_workflow(
            "agent", steps, id=f"default:foreign-{seed}-{attempt}", task_queue="foreign"
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
    bill = (scene.stub.calls - calls_before) * (INPUT_TOKENS + OUTPUT_TOKENS)
    assert spent["settled"] == bill
    assert desk.received() == received_before
    print(  # noqa: T201 - the figures of the trial
        f"\n{sum(counts.values())} foreign attempts, seed {seed}: 0 writes without proof, 0 accounts overspent; "
        f"bill {bill} tokens, all of them settled; {dict(counts)}"
    )
    # The attacked run still waits, and people can still decide about it.
    business_id = scene.victim["workflow_id"].partition(":")[2]
    [step] = await waiting(scene.platform, business_id)
    scene.stub.script = [{"content": "Done."}]
    for by in ("ann", "bea"):
        await scene.platform.decide(business_id, signed(decision(step, by), business_id))
    assert isinstance((await scene.platform.result(business_id)).outcome, Answered)
