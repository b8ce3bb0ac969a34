"""The worker of the loops: one task queue, the SDK's defaults, and the settings of the platform's worker."""

import asyncio
import signal
from collections.abc import Callable

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from activities.settings import Settings
from tests.bench.agents.loops.contracts import QUEUE
from tests.bench.agents.loops.lean_activities import Lean
from tests.bench.agents.loops.lean_workflow import LeanLoop
from tests.bench.agents.loops.messages import Messages
from tests.bench.agents.loops.model import Model, Speaks
from tests.bench.agents.loops.whole_activities import Whole
from tests.bench.agents.loops.whole_workflow import WholeLoop


async def serve(settings: Settings, calling: Callable[[str], Speaks] = Model) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(**ClientConfig.load_client_connect_config(), data_converter=pydantic_data_converter)
    [url] = settings.model.endpoints.values()
    model, messages = calling(url), Messages(settings.paths.state / "messages.db")
    whole, lean = Whole(model), Lean(model, messages)
    work = [whole.think, whole.act, lean.begin, lean.think, lean.act]
    async with Worker(client, task_queue=QUEUE, workflows=[WholeLoop, LeanLoop], activities=work):
        print("ready", flush=True)
        await stop.wait()
    await model.close()
    messages.close()
    # A process that ends right after its last call to Temporal may crash when the interpreter exits.
    await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(serve(Settings()))
