"""An author's own tools are found beside the shipped ones, under the same fence; each mistake is one clear line."""

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.adapters.own_folders.fence import MAY_IMPORT, REACH_THE_WORLD, breaches
from activities.adapters.own_folders.tool_files import all_tools
from activities.ports import NotConfigured
from activities.settings import ROOT, Paths
from tools.base import ToolContext
from tools.folder import all_tools as shipped_tools

TOOL = '''\
"""A tool of an author's own."""

from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Asked(ToolArguments):
    """What is asked."""

    metres: float


@tool(ToolEffect.READ_ONLY)
async def {name}(context: ToolContext, asked: Asked) -> str:
    """Say how deep it is."""
    return f"{{asked.metres}} metres"
'''
BY_HAND = ToolContext(tenant="default", run="r", step="s", key="k")


def written(folder: Path, name: str, text: str | None = None) -> Path:
    """Write a file, a tool of that name by default, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(TOOL.format(name=name) if text is None else text)
    return folder


def refusal(*folders: Path, **more: object) -> list[str]:
    with pytest.raises(NotConfigured) as refused:
        all_tools(Paths.model_validate({"tools": folders, **more}))
    return str(refused.value).splitlines()


async def test_tools_of_several_folders_are_there_beside_the_shipped_ones(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", "depth"), written(tmp_path / "two", "width")
    found = all_tools(Paths(tools=(one, two)))
    assert set(found) == {*shipped_tools(), "depth", "width"}
    assert list(found) == sorted(found)
    assert await found["depth"].use(BY_HAND, {"metres": 2}) == "2.0 metres"


def test_without_the_shipped_tools_only_those_of_the_author_can_be_granted(tmp_path: Path) -> None:
    folder = written(tmp_path, "depth")
    written(folder, "more", "from tools.calculator import calculator\n" + TOOL.format(name="more"))
    assert set(all_tools(Paths(tools=(folder,), shipped=()))) == {"depth", "more"}
    assert set(shipped_tools()) == set(all_tools(Paths()))


async def test_a_helper_beside_a_tool_is_imported_by_its_name(tmp_path: Path) -> None:
    written(tmp_path, "_feet", "FEET = 3.28\n")
    for name, line in (("depth", "from tools._feet import FEET"), ("width", "from . import _feet\nFEET = _feet.FEET")):
        written(tmp_path, name, f"{line}\n{TOOL.format(name=name).replace('{asked.metres}', '{asked.metres * FEET}')}")
    found = all_tools(Paths(tools=(tmp_path,)))
    assert await found["depth"].use(BY_HAND, {"metres": 1}) == await found["width"].use(BY_HAND, {"metres": 1})


@pytest.mark.parametrize("name", ["json", "email", "calendar", "random", "logging"])
async def test_a_tool_named_like_a_module_of_python_shadows_nothing(tmp_path: Path, name: str) -> None:
    written(tmp_path, name, f"import {name} as library\n{TOOL.format(name=name)}    # {{library.__file__}}\n")
    found = all_tools(Paths(tools=(tmp_path,)))
    library = found[name].call.__globals__["library"]
    assert not Path(library.__file__).is_relative_to(tmp_path)
    assert await found[name].use(BY_HAND, {"metres": 1}) == "1.0 metres"


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_an_edited_file_is_read_again_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "depth")
    assert await all_tools(Paths(tools=(tmp_path,)))["depth"].use(BY_HAND, {"metres": 1}) == "1.0 metres"
    written(tmp_path, "depth", TOOL.format(name="depth").replace("} metres", "} fathom"))  # of the same size
    assert await all_tools(Paths(tools=(tmp_path,)))["depth"].use(BY_HAND, {"metres": 1}) == "1.0 fathom"
    assert listed(tmp_path) == ["depth.py"]


def test_what_is_no_python_file_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path, "depth")
    (tmp_path / "notes.txt").write_text("import os")
    (tmp_path / "__init__.py").write_text("import os")
    written(tmp_path / "drafts", "later", "import os")
    assert "depth" in all_tools(Paths(tools=(tmp_path,)))


@pytest.mark.parametrize("place", ["absent", "a-file", "loop", "closed"])
def test_a_folder_that_cannot_be_listed_is_one_line_with_the_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "closed").symlink_to(tmp_path / "closed" / "inner")
    [line] = refusal(tmp_path / place)
    assert line.startswith(f"PERDURE_PATHS__TOOLS names '{tmp_path / place}', which is no folder that can be read (")


def loop(folder: Path) -> None:
    (folder / "x.py").symlink_to(folder / "x.py")


def broken_link(folder: Path) -> None:
    (folder / "x.py").symlink_to("gone.py")


def folder_in_its_place(folder: Path) -> None:
    (folder / "x.py").mkdir()


def text(source: str | bytes, name: str = "x.py") -> Callable[[Path], None]:
    """Return a function that writes a file with this text into a folder."""

    def write(folder: Path) -> None:
        (folder / name).write_bytes(source if isinstance(source, bytes) else source.encode())

    return write


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (text("def f(:\n"), r"x\.py:1: it is no Python: invalid syntax"),
        (text("% of the readers\n"), r"x\.py:1: it is no Python: invalid syntax"),
        (text(b"\x7fELF\0\0"), r"x\.py.*: it is no Python: "),
        (text(b"x = '\xff'\n"), r"x\.py.*: it is no Python: "),
        (text("(" * 5000), r"x\.py.*: it is no Python: "),
        (loop, r"x\.py cannot be read: Too many levels of symbolic links: check the file and its permissions"),
        (folder_in_its_place, r"x\.py cannot be read: Is a directory: check "),
        (broken_link, r"x\.py cannot be read: No such file or directory"),
        (
            text("X = 1\n"),
            r"x\.py: it has no tool: mark an async function with @tool\(\.\.\.\), or begin the file's name",
        ),
        (text("\n1 / 0\n"), r"x\.py:2: ZeroDivisionError: division by zero"),
        (text("raise SystemExit('no')\n"), r"x\.py:1: SystemExit: no"),
        (text("from tools.base import NoSuch\n"), r"x\.py:1: ImportError: cannot import name 'NoSuch'"),
        (text("import requests\n"), r"x\.py:1: it imports 'requests': a tool may import tools, perdure\.contracts, "),
        (text("import perdure.client\n"), r"x\.py:1: it imports 'perdure\.client': a tool may import"),
        (text("from perdure import Platform\n"), r"x\.py:1: it imports 'perdure': a tool may import"),
        (text("import activities.settings\n"), r"x\.py:1: it imports 'activities\.settings'"),
        (
            text("\ndef f():\n    import os.path\n"),
            r"x\.py:3: it imports 'os\.path', which reaches the world by itself",
        ),
        (
            text("from urllib.request import urlopen\n"),
            r"x\.py:1: it imports 'urllib\.request', which reaches the world",
        ),
        (text("import _socket\n"), r"x\.py:1: it imports '_socket', which reaches the world by itself"),
        (text("from tools._rates import RATE\n"), r"x\.py:1: it imports 'tools\._rates', and there is no such file"),
        (text("from . import _rates\n"), r"x\.py:1: it imports 'tools\._rates', and there is no such file"),
        (text("from ..activities import settings\n"), r"x\.py:1: it imports from above its own folder"),
        (text("open('/etc/passwd')\n"), r"x\.py:1: it calls open\(\): what a tool needs of the world comes with its"),
        (text("__import__('os')\n"), r"x\.py:1: it calls __import__\(\)"),
        (text(TOOL.format(name="x").replace("async ", "")), r"x\.py:\d+: tool 'x': make it an async function"),
        (text(TOOL.format(name="my"), "my-tool.py"), r"my-tool\.py: no module can have this name: use letters"),
        (text(TOOL.format(name="my"), "class.py"), r"class\.py: no module can have this name"),
        (text(TOOL.format(name="my"), "world.py"), r"two files have the name 'world\.py': .*/tools/world\.py and "),
        (text(TOOL.format(name="my"), "calculator.py"), r"two files have the name 'calculator\.py': "),
        (
            text(TOOL.format(name="calculator")),
            r"two tools have the name 'calculator': in .*/tools/calculator\.py and in ",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_place(
    tmp_path: Path, write: Callable[[Path], None], line: str
) -> None:
    write(tmp_path)
    [said] = refusal(tmp_path)
    assert re.search(line, said), said
    assert str(tmp_path) in said


def test_two_own_files_or_two_own_tools_of_one_name_are_refused_with_both(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", "depth"), written(tmp_path / "two", "depth")
    assert refusal(one, two) == [
        f"two files have the name 'depth.py': {one / 'depth.py'} and {two / 'depth.py'}: rename one"
    ]
    other = written(tmp_path / "other", "deep", TOOL.format(name="depth"))
    [said] = refusal(one, other)
    assert said.startswith(f"two tools have the name 'depth': in {one / 'depth.py'} and in {other / 'deep.py'}: rename")


def test_a_tool_takes_the_name_of_a_shipped_one_where_the_shipped_ones_are_left_out(tmp_path: Path) -> None:
    folder = written(tmp_path, "sums", TOOL.format(name="calculator"))
    found = all_tools(Paths(tools=(folder,), shipped=("agents", "schemas")))
    assert found["calculator"].description == "Say how deep it is."


def test_every_mistake_of_all_files_is_said_at_once(tmp_path: Path) -> None:
    for name, source in (("a", "import os\nimport socket\n"), ("b", "def f(:\n"), ("c", TOOL.format(name="c"))):
        written(tmp_path, name, source)
    assert [line.removeprefix(f"{tmp_path}/")[:5] for line in refusal(tmp_path)] == ["a.py:", "a.py:", "b.py:"]


def contracts() -> list[dict[str, list[str]]]:
    everything = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return [one for one in everything if "tools" in (*one.get("importers", ()), *one.get("source_modules", ()))]


def test_the_fence_around_own_tools_is_the_one_around_the_shipped_ones() -> None:
    allowed, forbidden = contracts()
    assert set(allowed["may_import"]) == set(MAY_IMPORT)
    assert set(forbidden["forbidden_modules"]) == REACH_THE_WORLD


def test_every_shipped_tool_keeps_the_fence_of_own_ones() -> None:
    files = [*(ROOT / "tools").glob("*.py")]
    modules = {path.stem for path in files}
    found = {path.name: list(breaches(ast.parse(path.read_bytes()), modules)) for path in files}
    assert {name: broken for name, broken in found.items() if broken} == {}
