"""The commands of `BACKUP.md` restore PostgreSQL's databases, and no reply is bought and no write made again."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from activities.adapters.databases.database import Database
from activities.adapters.databases.migrations import HEAD, SchemaUpgrade
from activities.adapters.databases.open import open_database
from activities.adapters.sql.accounts import SqlAccounts
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.decisions import SqlDecisions
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.adapters.sql.runs import SqlRuns
from activities.ports import BodyMissing, Done, Fresh, NotThisRun, StepDecisions, Unknown
from activities.settings import Database as DatabaseSettings
from activities.settings import Settings
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.steps import Generated, StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import IntendedCall, Succeeded
from perdure.contracts.windows import Account
from tests.ports.sql.test_decision_ledger import ASKED, YES
from tests.services.postgres_server import PostgresServer
from tests.support.processes.storing import reply
from tests.support.stores.documented_backup import DUMP, OURS, RESTORE, TEMPORALS, databases, run_command, run_commands
from tests.support.stores.orders import order, run_of

pytestmark = pytest.mark.postgres

BOUGHT = StepKey(tenant="acme", workflow_id="acme:one", run_id="run-one", step="generate-1")
LOST = BOUGHT.model_copy(update={"step": "generate-2"})
WRITTEN = BOUGHT.model_copy(update={"step": "call-1-1"})
IN_DOUBT = BOUGHT.model_copy(update={"step": "call-1-2"})

BUDGET = Budget(steps=10, tool_calls=10, micro_dollars=1000)
WORST, CHARGE = Spend(steps=1, micro_dollars=60), Spend(steps=1, micro_dollars=10)
PRICE = Spend(tool_calls=1)
PROMPT = b"What was asked."
CALL = IntendedCall(tool="send_message", tool_digest="1" * 64, arguments_digest="2" * 64)
SENT = Succeeded(result=Text.of("Sent."))


@dataclass(frozen=True)
class Run:
    """What a database holds of a run."""

    account: Account | None
    decisions: tuple[object, ...]
    attempts: dict[int, Spend | None]
    lost: dict[int, Spend | None]
    saved: tuple[str, ...]


@asynccontextmanager
async def opened(address: str) -> AsyncGenerator[Database]:
    """Open the platform's database as a worker does by its settings."""
    async with open_database(Settings(database=DatabaseSettings(postgres=SecretStr(address)))) as database:
        yield database


async def buy(database: Database) -> Generated:
    """Register the run and buy a reply; another attempt dies before its reply is saved."""
    await SqlRuns(database).register(run_of(BOUGHT, BUDGET))
    replies = SqlPaidReplies(database)
    attempt = order(BOUGHT, 1, worst=WORST, bodies=[PROMPT])
    assert await replies.begin(attempt, Generated) is None
    generated = await replies.save(attempt, reply("Eighteen weeks."), CHARGE, [Text.of("Eighteen weeks.")])
    assert await replies.begin(order(LOST, 1, worst=WORST), Generated) is None
    return generated


async def write(database: Database) -> None:
    """Approve a write and make it; make another one whose outcome stays unknown."""
    decisions, ledger = SqlDecisions(database), SqlEffectLedger(database)
    for entry in (ASKED, YES):
        await decisions.record(WRITTEN, entry)
    assert isinstance(await ledger.intend(WRITTEN, 1, CALL, PRICE), Fresh)
    await ledger.record(WRITTEN, 1, SENT)
    assert isinstance(await ledger.intend(IN_DOUBT, 1, CALL, PRICE), Fresh)


async def read_run(database: Database) -> Run:
    """Return all that the database holds of the run."""
    replies = SqlPaidReplies(database)
    decided: StepDecisions = await SqlDecisions(database).look(WRITTEN)
    return Run(
        account=await SqlAccounts(database).look(BOUGHT.tenant, BOUGHT.run_id),
        decisions=decided.entries,
        attempts=await replies.attempts(BOUGHT),
        lost=await replies.attempts(LOST),
        saved=await replies.saved(BOUGHT),
    )


def write_word(address: str, word: str) -> None:
    """Write a word into a database that stands for one of Temporal's."""
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word TEXT)")
        connection.execute("INSERT INTO words VALUES (%s)", (word,))


def words_in(address: str) -> list[str]:
    with psycopg.connect(address) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY word")]


async def test_a_run_that_was_restored_is_charged_and_answered_as_before(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    source, target = databases(postgres), databases(postgres)
    for name in TEMPORALS:
        write_word(source[name], name)
    async with opened(source[OURS]) as database:
        reply = await buy(database)
        await write(database)
        state = await read_run(database)
    run_commands(DUMP, source, tmp_path)
    run_commands(RESTORE, target, tmp_path)

    assert [words_in(target[name]) for name in TEMPORALS] == [[name] for name in TEMPORALS]
    async with opened(target[OURS]) as database:
        assert await database.bring_up() == SchemaUpgrade(HEAD, HEAD), "the schema is at its newest version"
        assert await read_run(database) == state
        assert state.account == Account(budget=BUDGET, settled=CHARGE + PRICE + PRICE, reserved=WORST)
        assert state.lost == {1: None}
        # The reply is read from the store, and no new attempt is recorded.
        read_again = await SqlPaidReplies(database).begin(order(BOUGHT, 2, worst=WORST), Generated)
        assert read_again is not None
        assert read_again.answer == reply.answer
        assert read_again.charges == {1: CHARGE, 2: Spend()}
        assert await SqlBlobs(database).get("acme", Text.of("Eighteen weeks.").digest) == b"Eighteen weeks."
        assert (await SqlPaidReplies(database).attempts(BOUGHT)) == {1: CHARGE}
        # The write is answered from the ledger, and the one in doubt stays in doubt.
        ledger = SqlEffectLedger(database)
        assert await ledger.intend(WRITTEN, 2, CALL, PRICE) == Done(Succeeded(result=SENT.result.reference()))
        assert isinstance(await ledger.intend(IN_DOUBT, 2, CALL, PRICE), Unknown)
        assert [record.key for record in await ledger.unknowns("acme")] == [IN_DOUBT]
        assert [entry.ruling for entry in (await SqlDecisions(database).look(WRITTEN)).entries] == [None, YES.ruling]
        assert (await read_run(database)).account == state.account, "none of it was charged again"


async def test_a_restored_run_goes_on_in_its_new_database(postgres: PostgresServer, tmp_path: Path) -> None:
    source, target = databases(postgres), databases(postgres)
    async with opened(source[OURS]) as database:
        await buy(database)
    run_commands(DUMP, source, tmp_path)
    run_commands(RESTORE, target, tmp_path)
    async with opened(target[OURS]) as database:
        await write(database)
        account = (await read_run(database)).account
        assert account is not None
        assert account.settled == CHARGE + PRICE + PRICE


async def test_what_is_done_while_the_backup_is_made_is_in_ours_though_it_is_not_in_temporals(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    source, target = databases(postgres), databases(postgres)
    for name in TEMPORALS:
        write_word(source[name], "bought")
    async with opened(source[OURS]) as database:
        await buy(database)
        for command in DUMP:
            if OURS in command:
                # Temporal's databases are dumped by now. A run decides, and the effect is done.
                await write(database)
                for name in TEMPORALS:
                    write_word(source[name], "written")
            run_commands([command], source, tmp_path)
    run_commands(RESTORE, target, tmp_path)
    assert [words_in(target[name]) for name in TEMPORALS] == [["bought"], ["bought"]]
    async with opened(target[OURS]) as database:
        assert isinstance(await SqlEffectLedger(database).intend(WRITTEN, 1, CALL, PRICE), Done)


async def test_ours_as_of_earlier_forgets_a_write_and_lets_it_be_made_again(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """The platform's database must not be the older one: the order of the commands prevents this loss."""
    source, target = databases(postgres), databases(postgres)
    async with opened(source[OURS]) as database:
        await buy(database)
        run_commands(DUMP, source, tmp_path)
        await write(database)
    run_commands(RESTORE, target, tmp_path)
    async with opened(target[OURS]) as database:
        assert isinstance(await SqlEffectLedger(database).intend(WRITTEN, 2, CALL, PRICE), Fresh)
        assert (await SqlDecisions(database).look(WRITTEN)).entries == ()
        with pytest.raises(BodyMissing):
            await SqlBlobs(database).get("acme", SENT.result.digest)


async def test_ours_from_before_the_run_spends_nothing_for_it(postgres: PostgresServer, tmp_path: Path) -> None:
    source, target = databases(postgres), databases(postgres)
    async with opened(source[OURS]) as database:
        await database.bring_up()
    run_commands(DUMP, source, tmp_path)
    run_commands(RESTORE, target, tmp_path)
    async with opened(target[OURS]) as database:
        with pytest.raises(NotThisRun):
            await SqlPaidReplies(database).begin(order(LOST, 2, worst=WORST), Generated)
        with pytest.raises(NotThisRun):
            await SqlEffectLedger(database).intend(WRITTEN, 2, CALL, PRICE)


async def test_a_database_that_holds_something_is_not_restored_into(postgres: PostgresServer, tmp_path: Path) -> None:
    source, target = databases(postgres), databases(postgres)
    async with opened(source[OURS]) as database:
        await buy(database)
    run_commands(DUMP, source, tmp_path)
    async with opened(target[OURS]) as database:
        await buy(database)
        await write(database)
        state = await read_run(database)
    [restore_command] = [command for command in RESTORE if OURS in command]
    assert run_command(restore_command, target, tmp_path).returncode != 0
    async with opened(target[OURS]) as database:
        assert await read_run(database) == state


def test_ours_is_dumped_last() -> None:
    assert [OURS in command for command in DUMP] == [False, False, True]
    assert len(RESTORE) == 3
