"""The tool of `tools/README.md` does what that page says, at a real desk."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.documents.files import FileDocuments
from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from activities.adapters.web.tool_http import ToolHttp
from activities.settings import ROOT, Tools
from deploy.local.commands.try_tool import allowed
from deploy.local.stack.desk import DeskServer
from perdure.contracts.contract import BadInput
from tools import errors
from tools.base import Tool, ToolContext, ToolEffect

README = (ROOT / "tools" / "README.md").read_text()


def tool_of_the_page(folder: Path) -> Tool[Any]:
    [code] = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (folder / "report_tide.py").write_text(code)
    spec = importlib.util.spec_from_file_location("report_tide", folder / "report_tide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.report_tide


async def test_the_tool_of_the_readme_reports_to_the_desk_once_for_a_key(tmp_path: Path) -> None:
    tool = tool_of_the_page(tmp_path)
    constraints = allowed(tool, re.findall(r"--allow (\S+?)`", README))
    with DeskServer(0, tmp_path / "desk.db") as desk:
        http = ToolHttp(PublicWeb(FileDocuments()), NamedServices(Tools(services={"desk": desk.url})))
        context = ToolContext("default", "r", "s", "k", http=http)
        asked = {"station": "north/a", "metres": 1.2}
        replies = {await tool.use(context, asked, constraints) for _ in range(2)}
        assert replies == {"1.20 m at north/a is reported."}
        assert len(desk.desk.became("tickets", "k")["tickets"]) == 1
        with pytest.raises(BadInput, match="use what is under north/"):
            await tool.use(context, {"station": "south/a", "metres": 1.2}, constraints)


def test_what_the_readme_says_of_it_is_so(tmp_path: Path) -> None:
    spec = tool_of_the_page(tmp_path).spec({**allowed(tool_of_the_page(tmp_path), ["station=north/"])})
    assert (spec.effect, spec.price, spec.timeout.total_seconds()) == (ToolEffect.IDEMPOTENT, 200, 30)
    assert re.findall(r"^\| `(\w+)`", README, re.MULTILINE) == [effect.value for effect in ToolEffect]
    for name in ("ServiceRefused", "NoAnswer"):
        assert f"`{name}`" in README
        assert issubclass(getattr(errors, name), errors.ToolError)
