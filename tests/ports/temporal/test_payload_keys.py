"""The keys that sign payloads: one in the database that all workers share, or an operator's; old keys stay valid."""

import asyncio
import secrets

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from activities.adapters.databases.database import Database
from activities.adapters.temporal.payload_keys import PayloadKeys, key_id, payload_keys
from activities.ports import NotConfigured
from activities.settings import Settings
from activities.settings.groups import Payloads

MESSAGE = b"a payload of a run"


async def key_count(database: Database) -> int:
    count = text("SELECT count(*) FROM payload_keys")
    return await database.read(lambda connection: connection.execute(count).scalar_one())


async def test_workers_of_one_database_share_one_random_key(database: Database, reopened: Database) -> None:
    workers = [PayloadKeys([], opened) for opened in (database, reopened) * 4]
    signatures = await asyncio.gather(*(worker.sign(MESSAGE) for worker in workers))
    assert len(set(signatures)) == 1, "also where they sign for the first time at once"
    assert await key_count(database) == 1
    [name, signature] = signatures[0]
    assert await PayloadKeys([], reopened).verify(name, MESSAGE, signature)
    assert not await PayloadKeys([], reopened).verify(name, MESSAGE + b".", signature)


async def test_another_databases_key_signs_nothing_here(database: Database) -> None:
    name, signature = await PayloadKeys([secrets.token_bytes(32)], None).sign(MESSAGE)
    here = PayloadKeys([], database)
    assert not await here.verify(name, MESSAGE, signature), "nor is there a key before one is needed"
    assert await key_count(database) == 0
    own, _ = await here.sign(MESSAGE)
    assert not await here.verify(own, MESSAGE, signature)


async def test_an_operators_newest_key_signs_and_every_older_one_is_believed(database: Database) -> None:
    old, new = "o" * 32, "n" * 32
    of_database = await PayloadKeys([], database).sign(MESSAGE)
    before = await payload_keys(Payloads(keys=SecretStr(old)), database).sign(MESSAGE)
    rotated = payload_keys(Payloads(keys=SecretStr(f"{new}, {old}")), database)
    after = await rotated.sign(MESSAGE)
    assert [before[0], after[0]] == [key_id(old.encode()), key_id(new.encode())]
    for name, signature in (of_database, before, after):
        assert await rotated.verify(name, MESSAGE, signature)
    taken_away = payload_keys(Payloads(keys=SecretStr(new)), database)
    assert not await taken_away.verify(before[0], MESSAGE, before[1])
    assert await key_count(database) == 1, "and none of the operator's lies in the database"


async def test_a_key_that_another_worker_has_made_meanwhile_is_looked_up(
    database: Database, reopened: Database
) -> None:
    early = PayloadKeys([], reopened)
    assert not await early.verify("0" * 16, MESSAGE, "0" * 64)
    name, signature = await PayloadKeys([], database).sign(MESSAGE)
    assert await early.verify(name, MESSAGE, signature)


@pytest.mark.parametrize(
    ("keys", "reason"), [(" , ", "names no key"), ("brief", "key 1 has 5"), ("k" * 32 + "\nhidden", "key 2 has 6")]
)
def test_a_key_that_is_too_short_is_one_line_without_it(keys: str, reason: str) -> None:
    with pytest.raises(NotConfigured, match=rf"PERDURE_PAYLOADS__KEYS.*{reason}") as refused:
        payload_keys(Payloads(keys=SecretStr(keys)), None)
    assert "\n" not in str(refused.value)
    for key in keys.replace(",", " ").split():
        assert key not in str(refused.value)


def test_the_keys_come_from_the_environment_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_PAYLOADS__KEYS", "k" * 32)
    settings = Settings()
    assert "k" * 32 not in repr(settings)
    assert payload_keys(settings.payloads, None)
