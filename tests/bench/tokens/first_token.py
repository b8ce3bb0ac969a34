"""The time to a reader's first token: on the platform, and on a raw workflow that streams to a table."""

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
"""The seconds in which a first token must arrive."""

METHOD = (
    "First word: the platform screens with its real guards (nothing is shown before their verdict), embeds and "
    "searches; the raw workflow's other activities do nothing. Both stream from the same stub, on the same server, and "
    "both are read from SQLite every 25 ms. The difference is what all of that costs, not the token log alone."
)


async def first_token(console: Console, pairs: int, advance: Callable[[], None]) -> None:
    """Measure the time from the start of a run to its reader's first token, in turn on both sides, and print."""
    platform: list[float] = []
    raw: list[float] = []
    called: list[float] = []
    async with living(BenchParts) as live, _raw(live) as (client, table):
        await _raw_token(client, table)  # the first run opens the connections
        for pair in range(pairs):
            if pair % 2:
                raw.append(await _raw_token(client, table))
            first_token_ms, call = await _platform_token(live)
            platform.append(first_token_ms)
            called.append(call)
            if not pair % 2:
                raw.append(await _raw_token(client, table))
            advance()
    console.print(METHOD)
    title = f"First word, from the start of the run: {pairs} pairs"
    paired.compare(console, title, {"platform": platform, "raw SDK": raw, "platform's model is called": called})


@asynccontextmanager
async def _raw(live: Live) -> AsyncGenerator[tuple[Client, Table]]:
    """Start the raw workflow's worker beside the platform's."""
    client = await Client.connect(live.address, data_converter=pydantic_data_converter)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with streaming(live.stub.url, Path(folder) / "said.db") as (generation, table):
            work = [activities.screen, activities.route, activities.retrieve, generation.generate, activities.check]
            async with Worker(client, task_queue=QUEUE, workflows=[RawChain], activities=work):
                yield client, table


async def _raw_token(client: Client, table: Table) -> float:
    """Return the milliseconds to the first token of a raw run."""
    name = str(uuid.uuid4())
    request = Question(tenant=TENANT, text=QUESTION)
    start = time.perf_counter()
    run = await client.start_workflow(RawChain.run, request, id=name, task_queue=QUEUE)
    async with asyncio.timeout(WAITS):
        await table.first(name)
    milliseconds = (time.perf_counter() - start) * 1000
    await run.result()
    return milliseconds


async def _platform_token(live: Live) -> tuple[float, float]:
    """Return the milliseconds to the first token and to the model call of a run on the platform."""
    live.stub.called.clear()
    start = time.perf_counter()
    calling = asyncio.create_task(_model_call(live.stub, start))
    run = await live.platform.start(QUESTION, business_id=str(uuid.uuid4()))
    status = await live.platform.status(run)
    key = StepKey(tenant=TENANT, workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")
    async with asyncio.timeout(WAITS):
        await _first_piece(live.parts.log, key)
    milliseconds = (time.perf_counter() - start) * 1000
    called = await calling
    require(await live.platform.result(run), Answered)
    return milliseconds, called


async def _model_call(stub: StubModel, start: float) -> float:
    if not await asyncio.to_thread(stub.called.wait, WAITS):
        raise TimeoutError(f"the model was not called within {WAITS:g} s")
    return (time.perf_counter() - start) * 1000


async def _first_piece(log: TokenLog, key: StepKey) -> None:
    async for entry in log.read(key):
        if isinstance(entry, Piece):
            return
    raise EOFError(f"the log of {key.workflow_id} ended before its first word")
