"""A server that hangs, or a check that breaks, costs only its own line, and its deadline bounds the whole."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from activities.settings import Database, Model, Settings, Shared, Store, Tokens
from deploy.doctor.every import checks
from deploy.doctor.examine import examine
from deploy.doctor.finding import Check, Context, Report, State, ok
from tests.deploy.doctor.conftest import Findings


def hung() -> tuple[Check, Callable[[], None]]:
    """Return a check that reports one of its names and then blocks its thread, and what lets it go on."""
    gate = threading.Event()

    async def look(_: Context, report: Report) -> None:
        report(ok("hung", "answers"))
        gate.wait()

    return Check(("hung", "its version"), look), gate.set


async def fine(_: Context, report: Report) -> None:
    report(ok("fine", "it is"))


async def broken(_: Context, report: Report) -> None:
    del report
    raise KeyError("a key")


def test_a_check_that_hangs_keeps_no_other_waiting_and_loses_nothing_that_it_found(
    settings: Settings, findings: Findings
) -> None:
    check, let_go = hung()
    found = findings(settings, check, Check(("fine",), fine), Check(("broken",), broken), within=1)
    let_go()
    assert [*found] == ["hung", "its version", "fine", "broken"]
    assert {name: finding.state for name, finding in found.items()} == {
        "hung": State.OK, "its version": State.WRONG, "fine": State.OK, "broken": State.WRONG
    }  # fmt: skip
    assert found["its version"].what == "gave no answer within 1 s"
    assert "KeyError" in found["broken"].what


def test_progress_names_what_is_still_looked_at(settings: Settings) -> None:
    seen: list[tuple[list[str], int]] = []
    context = Context(settings, timedelta(seconds=30))
    examine([Check(("fine",), fine)], context, lambda left, count: seen.append(([*left], count)))
    assert seen[0] == (["fine"], 1)


@pytest.mark.usefixtures("no_temporal_of_the_user")
def test_when_every_server_accepts_and_never_answers_each_has_a_line_that_says_so(
    settings: Settings, findings: Findings, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent}")
    redis = SecretStr(f"redis://127.0.0.1:{silent}/0")
    everywhere = settings.model_copy(
        update={
            "database": Database(postgres=SecretStr(f"postgresql://a:b@127.0.0.1:{silent}/perdure")),
            "tokens": Tokens(redis=redis),
            "shared": Shared(redis=redis),
            "store": Store(weaviate=f"http://127.0.0.1:{silent}"),
            "model": Model(endpoints={"fast": f"http://127.0.0.1:{silent}/v1"}),
        }
    )
    found = findings(everywhere, *checks(everywhere), within=3)
    servers = "temporal", "database", "redis (tokens)", "redis (shared)", "store", "model fast"
    assert {name: found[name].state for name in servers} == dict.fromkeys(servers, State.WRONG)
    assert {found[name].state for name in ("search attributes", "migrations")} == {State.SKIPPED}
    assert all(found[name].remedy for name in servers)
    assert found["python"].state is State.OK


@pytest.fixture
def no_temporal_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", "/dev/null")
