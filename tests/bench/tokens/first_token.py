"""How soon a reader is shown the first word: on the platform, and on a raw workflow that streams to a table."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.ports import Piece, TokenLog
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import Answered
from tests.bench import paired
from tests.bench.contenders import TENANT
from tests.bench.live import QUESTION, BenchParts, Live, living, require
from tests.bench.raw import activities
from tests.bench.raw.contracts import QUEUE, Question
from tests.bench.raw.streaming import Table, streaming
from tests.bench.raw.workflow import RawChain
from tests.support.servers.stub_model import StubModel

WAITS = 30.0
"""Seconds in which a first word must come."""

METHOD = (
    "First word: the platform screens with its real guards (nothing is shown before their verdict), embeds and "
    "searches; the raw workflow's other activities do nothing. Both stream from the same stub, on the same server, and "
    "both are read from SQLite every 25 ms. The difference is what all of that costs, not the token log alone."
)


async def first_token(console: Console, pairs: int, done: Callable[[], None]) -> None:
    """From the start of a run to the first word that its reader is shown, in turn on both sides."""
    shown: list[float] = []
    raw: list[float] = []
    called: list[float] = []
    async with living(BenchParts) as live, _raw(live) as (client, table):
        await _raw_word(client, table)  # opens what the others find open
        for pair in range(pairs):
            if pair % 2:
                raw.append(await _raw_word(client, table))
            word, call = await _platform_word(live)
            shown.append(word)
            called.append(call)
            if not pair % 2:
                raw.append(await _raw_word(client, table))
            done()
    console.print(METHOD)
    title = f"First word, from the start of the run: {pairs} pairs"
    paired.compare(console, title, {"platform": shown, "raw SDK": raw, "platform's model is called": called})


@asynccontextmanager
async def _raw(live: Live) -> AsyncGenerator[tuple[Client, Table]]:
    """The raw workflow's worker beside the platform's."""
    client = await Client.connect(live.address, data_converter=pydantic_data_converter)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with streaming(live.stub.url, Path(folder) / "said.db") as (generation, table):
            work = [activities.screen, activities.route, activities.retrieve, generation.generate, activities.check]
            async with Worker(client, task_queue=QUEUE, workflows=[RawChain], activities=work):
                yield client, table


async def _raw_word(client: Client, table: Table) -> float:
    """Milliseconds."""
    name = str(uuid.uuid4())
    asked = Question(tenant=TENANT, text=QUESTION)
    began = time.perf_counter()
    run = await client.start_workflow(RawChain.run, asked, id=name, task_queue=QUEUE)
    async with asyncio.timeout(WAITS):
        await table.first(name)
    took = (time.perf_counter() - began) * 1000
    await run.result()
    return took


async def _platform_word(live: Live) -> tuple[float, float]:
    """Milliseconds to the first word, and to the call of the model."""
    live.stub.called.clear()
    began = time.perf_counter()
    calling = asyncio.create_task(_moment(live.stub, began))
    run = await live.platform.start(QUESTION, business_id=str(uuid.uuid4()))
    status = await live.platform.status(run)
    key = StepKey(tenant=TENANT, workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")
    async with asyncio.timeout(WAITS):
        await _first_piece(live.parts.log, key)
    took = (time.perf_counter() - began) * 1000
    called = await calling
    require(await live.platform.result(run), Answered)
    return took, called


async def _moment(stub: StubModel, began: float) -> float:
    if not await asyncio.to_thread(stub.called.wait, WAITS):
        raise TimeoutError(f"the model was not called within {WAITS:g} s")
    return (time.perf_counter() - began) * 1000


async def _first_piece(log: TokenLog, key: StepKey) -> None:
    async for entry in log.read(key):
        if isinstance(entry, Piece):
            return
    raise EOFError(f"the log of {key.workflow_id} ended before its first word")
