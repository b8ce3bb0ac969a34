"""The raw workflow's worker: one task queue, the SDK's own defaults."""

import asyncio
import signal

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from tests.bench.raw import activities
from tests.bench.raw.contracts import QUEUE
from tests.bench.raw.workflow import RawChain


async def serve() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(**ClientConfig.load_client_connect_config(), data_converter=pydantic_data_converter)
    work = [activities.screen, activities.route, activities.retrieve, activities.generate, activities.check]
    async with Worker(client, task_queue=QUEUE, workflows=[RawChain], activities=work):
        print("ready", flush=True)
        await stop.wait()
    # A process that ends right after its last call to Temporal may crash when the interpreter exits.
    await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(serve())
