"""What doctor says about databases, Redis, stores and servers of models: fine, and with each thing really wrong."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from activities.adapters.databases.migrations import HEAD
from activities.adapters.databases.open import open_database
from activities.settings import Database, Model, Settings, Shared, Store, Tokens
from deploy.doctor.clocks import AHEAD, LEEWAY, compared
from deploy.doctor.finding import State
from deploy.doctor.servers import DATABASE, REDIS, STORE, models
from tests.deploy.doctor.conftest import Findings
from tests.support.servers.odd_server import OddHandler, OddServer, page


async def made(settings: Settings) -> Path:
    async with open_database(settings) as database:
        await database.bring_up()
    return settings.paths.state / "perdure.db"


def set_revision(file: Path, revision: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


async def test_a_database_of_this_checkout_is_fine_and_looking_changes_nothing(
    settings: Settings, findings: Findings
) -> None:
    assert findings(settings, DATABASE)["migrations"].state is State.SKIPPED
    assert not settings.paths.state.exists()
    file = await made(settings)
    before = file.read_bytes()
    found = findings(settings, DATABASE)
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found["migrations"].what == f"revision {HEAD}, the newest"
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("revision", "remedy"), [("0006", "`make migrate`"), ("9999", "use the checkout that made it")]
)
async def test_an_older_and_a_newer_database_have_different_remedies(
    settings: Settings, findings: Findings, revision: str, remedy: str
) -> None:
    set_revision(await made(settings), revision)
    found = findings(settings, DATABASE)["migrations"]
    assert found.state is State.WRONG
    assert revision in found.what
    assert found.remedy.startswith(remedy)
    assert findings(settings, DATABASE)["migrations"] == found  # it was not migrated by the look


async def test_a_file_that_is_no_database_is_wrong(settings: Settings, findings: Findings) -> None:
    settings.paths.state.mkdir()
    (settings.paths.state / "perdure.db").write_bytes(b"no database" * 1000)
    found = findings(settings, DATABASE)
    assert found["database"].state is State.WRONG
    assert found["migrations"].state is State.SKIPPED


@pytest.mark.postgres
async def test_a_database_on_a_server_is_looked_at_without_changing_it(
    settings: Settings, findings: Findings, postgres_url: str
) -> None:
    served = settings.model_copy(update={"database": Database(postgres=SecretStr(postgres_url))})
    assert findings(served, DATABASE)["migrations"].state is State.SKIPPED
    async with open_database(served) as database:
        await database.bring_up()
    assert {finding.state for finding in findings(served, DATABASE).values()} == {State.OK}


def test_dead_servers_are_said_with_what_to_do_and_without_their_passwords(
    settings: Settings, findings: Findings, dead: int
) -> None:
    gone = settings.model_copy(
        update={
            "database": Database(postgres=SecretStr(f"postgresql://a:letmein@127.0.0.1:{dead}/perdure")),
            "tokens": Tokens(redis=SecretStr(f"redis://:letmein@127.0.0.1:{dead}/0")),
            "shared": Shared(redis=SecretStr(f"redis://:letmein@127.0.0.1:{dead}/0")),
            "store": Store(weaviate=f"http://127.0.0.1:{dead}", weaviate_api_key=SecretStr("letmein")),
            "model": Model(endpoints={"fast": f"http://127.0.0.1:{dead}/v1"}),
        }
    )
    found = findings(gone, DATABASE, *REDIS, STORE, *models(gone), within=10)
    names = "database", "redis (tokens)", "redis (shared)", "store", "model fast"
    assert {name: found[name].state for name in names} == dict.fromkeys(names, State.WRONG)
    assert all(found[name].remedy for name in names)
    assert "letmein" not in "".join(finding.line for finding in found.values())


@pytest.mark.redis
def test_a_redis_that_answers_is_fine(settings: Settings, findings: Findings, redis_url: str) -> None:
    served = settings.model_copy(update={"tokens": Tokens(redis=SecretStr(redis_url))})
    found = findings(served, *REDIS)
    assert (found["redis (tokens)"].state, found["redis (shared)"].state) == (State.OK, State.SKIPPED)


def test_a_model_that_is_served_is_fine_and_another_one_is_not(settings: Settings, findings: Findings) -> None:
    listed = page(b'{"object": "list", "data": [{"id": "qwen2.5-coder-0.5b-instruct"}]}', "application/json")
    with OddServer({"/health": page(b"{}"), "/v1/models": listed}) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        served = settings.model_copy(update={"model": Model(endpoints={"fast": url, "strong": url})})
        found = findings(served, *models(served))
    assert found["model fast"].state is State.OK
    assert found["model strong"].state is State.WRONG
    assert "does not list 'qwen2.5-coder-1.5b-instruct'" in found["model strong"].what


def test_a_catalogue_that_cannot_be_read_is_one_line(settings: Settings, findings: Findings, tmp_path: Path) -> None:
    paths = settings.paths.model_copy(update={"catalogue": tmp_path / "none.toml"})
    broken = settings.model_copy(update={"paths": paths})
    assert findings(broken, *models(broken))["catalogue"].state is State.WRONG


def meta(status: int = 200, behind: timedelta = timedelta()) -> Callable[[OddHandler], None]:
    """Answer as Weaviate's page about itself, by a clock that is behind."""

    def answer(handler: OddHandler) -> None:
        body = b'{"version": "1.35.2"}'
        handler.send_response_only(status)
        handler.send_header("Date", format_datetime(datetime.now(UTC) - behind, usegmt=True))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (meta(), State.OK, "Weaviate 1.35.2"),
        (meta(401), State.WRONG, "answers 401: correct PERDURE_STORE__WEAVIATE_API_KEY"),
        (meta(behind=timedelta(hours=1)), State.WRONG, "behind this machine: let both follow one time server"),
    ],
)
def test_a_store_that_refuses_or_has_another_time_is_said(
    settings: Settings, findings: Findings, answer: Callable[[OddHandler], None], state: State, words: str
) -> None:
    with OddServer({"/v1/meta": answer}) as server:
        served = settings.model_copy(update={"store": Store(weaviate=f"http://127.0.0.1:{server.port}")})
        found = findings(served, STORE)["store"]
    assert found.state is state
    assert words in found.line


@given(st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)))
def test_clocks_are_wrong_from_the_leeway_of_signatures_on(difference: timedelta) -> None:
    found, size = compared("clock", "it", difference), abs(difference)
    assert found.state is (State.OK if size <= AHEAD else State.WARN if size <= LEEWAY else State.WRONG)
    if found.state is not State.OK:
        assert ("ahead of" in found.what) == (difference > timedelta(0))
