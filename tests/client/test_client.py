"""The client's errors are one line, and it retries a server that is only overloaded for a moment."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.processes.ports import free_ports
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import AskRequest
from perdure.contracts.runs.schedules import Timetable
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.errors import NoServer, RunFailed, UnknownRun
from perdure.runs import TRANSIENT_TRIES, retry_lost_namespace, workflow_id


async def test_no_server_is_one_line_that_names_the_address_and_the_remedy() -> None:
    [port] = free_ports(1)
    with pytest.raises(NoServer, match=rf"no Temporal server answers at 127.0.0.1:{port}: .*`make up`"):
        await Platform.connect(f"127.0.0.1:{port}", within=timedelta(seconds=5))


async def test_an_unknown_run_is_named(platform: Platform) -> None:
    for call in (platform.status, platform.cancel, platform.result):
        with pytest.raises(UnknownRun, match="tenant 'default' has no run 'nowhere'"):
            await call("nowhere")


@pytest.mark.parametrize("name", ["", "a b", ":", "x" * 201, "-a"])
async def test_a_business_id_that_cannot_be_used_is_refused(platform: Platform, name: str) -> None:
    with pytest.raises(BadInput, match="business_id"):
        await platform.status(name)


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\ud800"])
async def test_an_id_that_shows_nothing_starts_no_run_under_a_random_one(platform: Platform, name: str) -> None:
    request = AskRequest(question=Text.of("Who cleans the pond?"))
    calls = (
        lambda: platform.start("Who cleans the pond?", business_id=name),
        lambda: platform.start_agent("Clean the pond.", agent="tester", business_id=name),
        lambda: platform.extract("Total: 1", schema="invoice", business_id=name),
        lambda: platform.start_request(request, business_id=name),
        lambda: platform.cancel(name),
    )
    for call in calls:
        with pytest.raises(
            BadInput, match=r"^business_id: (String should match .* use 1 to 200|Input should be a valid string)"
        ):
            await call()
    every = Timetable(every=(timedelta(hours=1),))
    with pytest.raises(
        BadInput, match=r"^schedule: (String should match .* use 1 to 63|Input should be a valid string)"
    ):
        await platform.schedules.create(name, request, every)


async def test_a_budget_of_none_of_the_kinds_is_refused_and_not_replaced(platform: Platform) -> None:
    budgets: list[Any] = [0, "", False, [], -1, "5", True]
    for budget in budgets:
        with pytest.raises(BadInput, match=r"^budget: "):
            await platform.start("Why?", budget=budget)


async def test_a_decision_with_half_of_a_surrogate_pair_is_refused_in_one_line(platform: Platform) -> None:
    decision = StepDecision(decision_id="1", step="s", digest="0" * 64, ruling=Ruling.DENY, by="ann")
    broken = decision.model_copy(update={"reason": "\ud83d"})
    with pytest.raises(BadInput, match=r"^reason: is not valid Unicode text: send text, not bytes \(got '.ud83d'\)$"):
        await platform.decide("run", broken)
    for call in (lambda: platform.pause("run", by="\ud83d"), lambda: platform.resume("run", by="\u200b")):
        with pytest.raises(BadInput, match=r"^by: is "):
            await call()


async def test_a_terminated_run_has_failed_with_the_reason(platform: Platform, client: Client) -> None:
    name = str(uuid.uuid4())
    await platform.start("Who cleans the pond?", business_id=name)  # no worker takes it
    await client.get_workflow_handle(workflow_id("default", name)).terminate(reason="the pond is dry")
    with pytest.raises(RunFailed, match="was terminated"):
        await platform.result(name)
    assert (await platform.status(name)).state == "terminated"


class Stumbles:
    """A call that a server under load refuses a few times."""

    def __init__(self, refusals: int, message: str, status: RPCStatusCode = RPCStatusCode.NOT_FOUND) -> None:
        self.refusals = refusals
        self.calls = 0
        self.error = RPCError(message, status, b"")

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.refusals:
            raise self.error
        return "done"


async def test_a_lost_namespace_is_asked_for_again() -> None:
    call = Stumbles(2, "Namespace default is not found.")
    assert await retry_lost_namespace(call) == "done"
    assert call.calls == 3


async def test_a_namespace_that_stays_lost_is_an_error() -> None:
    call = Stumbles(100, "Namespace default is not found.")
    with pytest.raises(NoServer, match="no such namespace"):
        await retry_lost_namespace(call)
    assert call.calls == TRANSIENT_TRIES


async def test_a_run_that_is_not_found_is_not_asked_for_again() -> None:
    call = Stumbles(100, "workflow not found for ID: x")
    with pytest.raises(RPCError):
        await retry_lost_namespace(call)
    assert call.calls == 1
