"""A checkout's stack starts for a test, loses its worker where the test wants it to, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from activities.settings import ROOT
from perdure import Answered
from perdure.errors import PlatformError
from perdure.testing import Checkout, CheckoutUnusable, ProgramFailed, RunningStack, embedded_stack, kill_points
from tests.support.waiting import until

QUESTION = "How many weeks of parental leave are paid in full?"

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def stack(checkout: Checkout, knowledge: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with embedded_stack(checkout, state=tmp_path_factory.mktemp("stack"), documents=knowledge) as started:
        yield started


async def test_a_run_is_answered_by_the_stub_and_is_on_its_bill(stack: RunningStack) -> None:
    before = stack.stub.bill.spend()
    async with await stack.platform() as platform:
        result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    billed = stack.stub.bill.spend().less(before)
    assert result.spent.micro_dollars == billed.micro_dollars > 0
    assert (result.spent.input_tokens, result.spent.output_tokens) == (billed.input_tokens, billed.output_tokens)


async def test_a_worker_is_killed_where_the_test_says_and_another_one_goes_on(stack: RunningStack) -> None:
    async with await stack.platform() as platform:
        await platform.ask(QUESTION, business_id="undisturbed")
        points = kill_points(await stack.history("undisturbed"))
        chosen = next(point for point in points if point.name == "activity_task_scheduled generate")
        await platform.start(QUESTION, business_id="killed")
        killed = await stack.kill_worker_at("killed", chosen.event)
        result = await platform.result("killed")
    assert killed.event == chosen.event  # by its number: what runs side by side comes in any order
    assert isinstance(result.outcome, Answered)
    history = await stack.history("killed")
    assert len(history.events) > chosen.event


async def test_without_a_worker_a_run_waits_for_one(stack: RunningStack) -> None:
    stack.kill_worker()
    async with await stack.platform() as platform:
        run = await platform.start(QUESTION)
        with pytest.raises(TimeoutError):
            await stack.kill_worker_at(run, 5, within=timedelta(seconds=0.5))
        stack.start_worker()
        assert isinstance((await platform.result(run)).outcome, Answered)


def children(state: Path) -> list[psutil.Process]:
    """Every process whose command line names the state folder, which no other stack has."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(state) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_at_the_end_everything_is_gone_whatever_happened(checkout: Checkout, tmp_path: Path) -> None:
    def broken() -> int:
        with embedded_stack(checkout, state=tmp_path / "state", worker=False):
            # The stack itself, Temporal, the stub and the desk; the process that forks workers names no folder.
            assert len(children(tmp_path / "state")) >= 4
            return 1 // 0

    with pytest.raises(ZeroDivisionError):
        broken()
    assert children(tmp_path / "state") == []


async def test_a_test_that_is_killed_takes_its_stack_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time\n"
        "from perdure.testing import Checkout, embedded_stack\n"
        "with embedded_stack(Checkout(sys.argv[1]), state=pathlib.Path(sys.argv[2]), worker=False):\n"
        "    print('ready', flush=True); time.sleep(600)\n"
    )
    state = tmp_path / "state"
    test = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(ROOT), str(state)), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert test.stdout is not None
    assert await test.stdout.readline() == b"ready\n"
    assert children(state)
    os.kill(test.pid, signal.SIGKILL)
    await test.wait()
    await until(lambda: not children(state), what="the stack is gone")


def test_what_cannot_start_is_told_with_the_reason(checkout: Checkout, tmp_path: Path) -> None:
    broken = {"PERDURE_MODEL__TIMEOUT_SECONDS": "soon"}
    with pytest.raises(ProgramFailed) as failed, embedded_stack(checkout, state=tmp_path, settings=broken):
        pass
    assert "PERDURE_ setting cannot be used: PERDURE_MODEL__TIMEOUT_SECONDS" in str(failed.value)
    assert children(tmp_path) == []


async def test_settings_of_the_environment_do_not_reach_the_stack(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_DATABASE__POSTGRES", "postgresql://nobody@127.0.0.1:1/production")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with embedded_stack(checkout, state=tmp_path) as stack:
        async with await stack.platform():
            assert (stack.state / "perdure.db").exists()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckoutUnusable, match=r"is no checkout of Perdure, it has no worker\.py: name its folder"):
        Checkout(tmp_path)
    assert issubclass(CheckoutUnusable, PlatformError)


def test_a_checkout_without_its_environment_says_how_to_make_it(tmp_path: Path) -> None:
    for name in ("worker.py", "deploy/testing/stack.py", "deploy/testing/stub/model.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(CheckoutUnusable, match="run `make setup` in the checkout"):
        Checkout(tmp_path)


def test_a_checkout_runs_its_own_modules(checkout: Checkout) -> None:
    done = checkout.run("deploy.cli", "tool", "calculator", json.dumps({"expression": "6 * 7"}))
    assert (done.returncode, done.stdout.strip()) == (0, "42")
