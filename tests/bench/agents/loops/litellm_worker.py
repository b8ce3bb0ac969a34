"""The worker of the lean loop whose model is called through LiteLLM."""

import asyncio

from activities.settings import Settings, quiet_libraries

quiet_libraries()

from tests.bench.agents.loops.litellm_model import StreamedModel  # noqa: E402 - what it imports reads the environment
from tests.bench.agents.loops.worker import serve  # noqa: E402 - as above

if __name__ == "__main__":
    asyncio.run(serve(Settings(), StreamedModel))
