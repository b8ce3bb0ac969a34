"""A variable or secret file with the platform's prefix but an unknown name is refused with the nearest known name."""

import ast
import re
import string
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from activities.settings import ROOT, Settings
from activities.settings.names import PREFIX, READ_BY_OTHERS
from tests.activities.settings.test_errors import MARK, NAMES, refusal

GROUPS = [name.upper() for name in Settings.model_fields]
LETTERS = st.sampled_from(string.ascii_uppercase + string.digits + "_")
KINDS = st.sampled_from(["variable", "file"])

READERS = sorted((ROOT / "perdure").rglob("*.py"))
"""The code of the command line and of clients, which do not read these settings."""

DOCUMENTED = sorted(
    path
    for folder in ("perdure", "workflows", "activities", "agents", "tools", "deploy", "evals")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".md", ".yaml", ".yml", ".sh", ".toml"} or path.name == "Dockerfile"
)
"""The files that may tell an operator to set a variable."""

MADE_UP = {"PERDURE_MODLE__ENDPOINTS"}
"""Wrong names that the documentation gives as examples of a refusal."""


@st.composite
def misspelt(draw: st.DrawFn, word: str) -> str:
    """Words after one edit: a letter left out, put in, replaced, or exchanged with the next one."""
    place = draw(st.integers(0, len(word) - 1))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    return draw(
        st.one_of(
            st.just(before + after),
            LETTERS.map(lambda other: before + other + letter + after),
            LETTERS.map(lambda other: before + other + after),
            st.just(before + after[:1] + letter + after[1:]),
        )
    )


def set_as(kind: str, name: str, folder: Path) -> str | None:
    """Return the message that setting this name prints, as a variable or as a secret file."""
    if kind == "file":
        (folder / name.lower()).write_text(MARK)
    return refusal({} if kind == "file" else {name: MARK}, folder)


def names_in(*files: Path) -> set[str]:
    return {name for file in files for name in re.findall(r"\bPERDURE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text())}


@given(data=st.data(), setting=st.sampled_from([name for name in NAMES if "__" in name]), kind=KINDS)
@settings(max_examples=300, deadline=None)
def test_a_group_that_is_misspelt_by_one_edit_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, setting: str, kind: str
) -> None:
    group, _, field = setting.removeprefix(PREFIX).partition("__")
    wrong = data.draw(misspelt(group))
    assume(wrong not in GROUPS)
    name = f"{PREFIX}{wrong}__{field}"
    printed = set_as(kind, name, tmp_path_factory.mktemp("secrets"))
    assert printed is not None, f"{name} was passed over"
    assert name in printed
    assert f"there is no such setting, the nearest is {PREFIX}" in printed
    assert MARK not in printed


@pytest.mark.parametrize("kind", ["variable", "file"])
@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("PERDURE_MODLE__ENDPOINTS", "PERDURE_MODEL__ENDPOINTS"),
        ("PERDURE_DATABSE__POSTGRES", "PERDURE_DATABASE__POSTGRES"),
        ("PERDURE_DATABASE_POSTGRES", "PERDURE_DATABASE__POSTGRES"),
        ("PERDURE_APPROVAL__KEYS", "PERDURE_APPROVALS__KEYS"),
        ("PERDURE_LIMIT__DAILY__MICRO_DOLLARS", "PERDURE_LIMITS__DAILY__MICRO_DOLLARS"),
        ("PERDURE_EMBEDDED_TEMPORAL_PORT", "PERDURE_EMBEDDED__TEMPORAL_PORT"),
        ("PERDURE_TENNANT", "PERDURE_TENANT"),
        ("PERDURE_DATABSE", "PERDURE_DATABASE"),
    ],
)
def test_a_name_of_no_group_is_told_the_nearest_that_is_known(
    wrong: str, nearest: str, kind: str, tmp_path: Path
) -> None:
    printed = set_as(kind, wrong, tmp_path)
    assert printed is not None
    assert f"{wrong}: there is no such setting, the nearest is {nearest}." in printed
    assert MARK not in printed


def test_every_name_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    printed = refusal({"PERDURE_MODLE__ENDPOINTS": MARK, "PERDURE_TOOLZ__SERVICES": MARK}, tmp_path)
    assert printed is not None
    assert "PERDURE_MODLE__ENDPOINTS: there is" in printed
    assert "PERDURE_TOOLZ__SERVICES: there is" in printed


@pytest.mark.parametrize("name", sorted(READ_BY_OTHERS))
def test_what_other_programs_read_is_let_pass(name: str, tmp_path: Path) -> None:
    assert refusal({name: MARK}, tmp_path) is None


def test_what_other_programs_read_is_what_their_code_names() -> None:
    words = {
        node.value
        for file in READERS
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {word for word in words if re.fullmatch(r"PERDURE_[A-Z0-9_]+", word)}
    assert named - set(NAMES) == READ_BY_OTHERS


def test_every_name_that_is_written_down_is_known(tmp_path: Path) -> None:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile", ROOT / "worker.py", *DOCUMENTED]
    named = names_in(*files) - MADE_UP
    assert len(named) > 30
    assert named >= READ_BY_OTHERS
    printed = {name: refusal({name: MARK}, tmp_path) for name in sorted(named)}
    assert {name: why for name, why in printed.items() if why is not None and "no such setting" in why} == {}


def test_every_setting_is_let_pass_under_its_own_name(tmp_path: Path) -> None:
    for name in NAMES:
        assert "no such setting" not in (refusal({name: MARK}, tmp_path) or "")


def test_what_kubernetes_sets_for_services_of_our_name_is_let_pass(tmp_path: Path) -> None:
    variables = {
        "PERDURE_DESK_SERVICE_HOST": "10.0.0.1",
        "PERDURE_DESK_SERVICE_PORT": "80",
        "PERDURE_DESK_SERVICE_PORT_HTTP": "80",
        "PERDURE_DESK_PORT": "tcp://10.0.0.1:80",
        "PERDURE_DESK_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert refusal(variables, tmp_path) is None
    assert refusal({"PERDURE_DESK_PORT": "8790"}, tmp_path) is not None, "set by hand, it is a mistake"


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "perdure_ca.pem").write_text("a certificate")
    (tmp_path / "perdure_certificates").mkdir()
    assert refusal({}, tmp_path) is None
