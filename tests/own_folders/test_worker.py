"""A worker starts with an author's tools and agents, and not with a mistake in them: it says each in one line."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from activities.composition import Adapters
from activities.ports import NotConfigured
from activities.settings import Paths, Settings, Telemetry
from tests.own_folders.test_tool_files import TOOL, written

AGENT = 'kind = "agent"\nsystem = "Help."\n[tools.depth]\n'


def settings(tmp_path: Path, **own: object) -> Settings:
    paths = Paths.model_validate({"state": tmp_path / "var", **own})
    return Settings(paths=paths, telemetry=Telemetry(traces=False))


async def test_an_agent_of_one_folder_is_granted_a_tool_of_another(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "diver.toml").write_text(AGENT)
    own = settings(tmp_path, agents=[tmp_path / "agents"], tools=[written(tmp_path / "tools", "depth")])
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(own, stack)
        assert [tool.name for tool in parts.specs.agent("diver").tools] == ["depth"]
        assert parts.specs.agent("support").tool("create_ticket")


@pytest.mark.parametrize("kind", ["agents", "tools", "schemas"])
async def test_a_worker_does_not_start_with_a_folder_that_is_not_there(tmp_path: Path, kind: str) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(NotConfigured, match=rf"\APERDURE_PATHS__{kind.upper()} names '[^\n]*\Z"):
            await Adapters.open(settings(tmp_path, **{kind: [tmp_path / "absent"]}), stack)


async def test_a_worker_does_not_start_with_a_tool_that_cannot_be_used(tmp_path: Path) -> None:
    folder = written(tmp_path / "tools", "depth", TOOL.format(name="depth") + "import socket\n")
    async with AsyncExitStack() as stack:
        with pytest.raises(NotConfigured, match=r"\A[^\n]*depth\.py:16: it imports 'socket'[^\n]*\Z"):
            await Adapters.open(settings(tmp_path, tools=[folder]), stack)
