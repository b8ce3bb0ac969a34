"""The starter of a run is the subject of a token that a known key signed for this tenant, valid when it was sent."""

import dataclasses
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import ValidationError
from temporalio.testing import ActivityEnvironment

from activities.adapters.databases.database import Database
from activities.adapters.databases.open import open_database
from activities.adapters.signed_credentials import SignedCredentials
from activities.adapters.sql.callers import SqlCallers
from activities.authorization import identities
from activities.authorization.identities import identity
from activities.effects.presenting import Presenting
from activities.ports import BadCaller, CallerAwaited, NotThisRun
from activities.settings import Callers, Paths, Settings
from perdure.contracts.runs.caller import LONGEST_TOKEN, Identity, PresentCaller, PresentedCaller, claims_of_caller
from perdure.contracts.tool_calls.credentials import claims_of
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from tests.support.runs.caller_tokens import KEY, believing, token

RUN = "default:one"
FIRST = "first-execution"

Show = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session")
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(Settings(paths=Paths(state=tmp_path))) as opened:
        yield opened


@pytest.fixture
def show(database: Database) -> Show:
    """Show a token as a client does, at a moment, to workers with these settings; return the answer."""

    async def present(
        sent_token: str,
        *,
        run: str = RUN,
        settings: Callers | None = None,
        sent_at: datetime | None = None,
        tenant: str = "default",
    ) -> PresentedCaller:
        verifier = SignedCredentials(settings or believing(KEY), "CALLERS", "have a new one signed")
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, scheduled_time=sent_at or datetime.now(UTC))
        effect = Presenting(verifier, SqlCallers(database)).present_caller
        return await environment.run(effect, PresentCaller(tenant=tenant, workflow_id=run, token=sent_token))

    return present


def ticket(sent_token: str, run: str = RUN) -> str:
    return PresentCaller(tenant="default", workflow_id=run, token=sent_token).ticket


async def who(database: Database, sent_token: str | None, run: str = RUN, first: str = FIRST, **more: Any) -> Identity:
    sent_ticket = None if sent_token is None else ticket(sent_token, run)
    return await identity(SqlCallers(database), "default", run, first, sent_ticket, **more)


async def test_whom_a_token_names_is_who_starts_the_run(show: Show, database: Database) -> None:
    sent_token = token("ada", groups=("leads", "board"), roles=("clerk",))
    assert await show(sent_token) == PresentedCaller(subject="ada")
    assert await who(database, sent_token) == Identity(subject="ada", groups=("leads", "board"), roles=("clerk",))


async def test_without_a_token_the_starter_is_anonymous_and_in_no_group(database: Database) -> None:
    assert await who(database, None) == Identity.anonymous() == Identity(subject="anonymous", groups=(), roles=())
    assert await who(database, None, started_by="ada") == Identity.anonymous(), "whatever it says of itself"


STRANGER = ECKey.generate_key("P-256", parameters={"kid": "callers"})
NOW = datetime.now(UTC)

REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "forged": (lambda: token(key=STRANGER), "bad_signature"),
    "changed": (lambda: with_body(token(), {"sub": "eve"}), "bad_signature"),
    "unsigned": (lambda: token().rpartition(".")[0] + ".", "bad_signature|no signed JWT"),
    "expired": (lambda: token(now=NOW - timedelta(hours=1)), "it has expired: have a new one signed"),
    "not yet": (lambda: token(now=NOW + timedelta(hours=1)), "iat"),
    "too long": (lambda: token(lifetime=timedelta(hours=1)), "3600 s, and 900 s are the longest"),
    "another audience": (lambda: token(audience="payroll"), "aud"),
    "another tenant": (lambda: token(tenant="acme"), "tenant"),
    "no tenant": (lambda: token(claims={"tenant": None}), "tenant"),
    "another run": (lambda: token(run="default:two"), "another run"),
    "nobody": (lambda: token(""), "sub"),
    "no subject": (lambda: token(claims={"sub": None}), "sub"),
    "a number": (lambda: token(claims={"sub": 7}), "sub"),
    "invisible": (lambda: token(" ada"), "sub is no name"),
    "two lines": (lambda: token("ada\neve"), "sub is no name"),
    "anonymous": (lambda: token("Anonymous"), "whoever shows no token"),
    "a word for groups": (lambda: token(claims={"groups": "leads"}), "groups is no list"),
    "odd groups": (lambda: token(claims={"groups": ["leads", 7]}), "groups is no list"),
    "many roles": (lambda: token(roles=tuple(f"r{n}" for n in range(501))), "roles is no list"),
    "huge": (lambda: "x" * (LONGEST_TOKEN + 1), "over the limit"),
    "no token": (lambda: "trust me", "decode_error"),
}


def with_body(sent_token: str, claims: dict[str, Any]) -> str:
    """Return a token whose claims were changed after it was signed."""
    head, _, signature = sent_token.split(".")
    other = jwt.encode({"alg": "ES256"}, claims_of_caller("eve", tenant="default", now=NOW) | claims, STRANGER)
    return f"{head}.{other.split('.')[1]}.{signature}"


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_token_that_cannot_be_believed_is_refused_with_a_reason_that_holds_nothing_of_it(
    show: Show, database: Database, kind: str
) -> None:
    make, why = REFUSED[kind]
    sent_token = make()
    answer = await show(sent_token)
    assert answer.subject == ""
    with pytest.raises(BadCaller, match=why) as refused:
        await who(database, sent_token)
    assert answer.refused in str(refused.value)
    assert not any(part in str(refused.value) for part in sent_token.split(".") if part)
    assert refused.value.final, "the run fails, and does not try for ever"


async def test_when_a_token_was_sent_decides_and_not_when_a_worker_came(show: Show, database: Database) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    sent_token = token(now=long_ago)
    assert (await show(sent_token, sent_at=long_ago + timedelta(minutes=5))).subject == "ada"
    assert await who(database, sent_token, started_at=long_ago + timedelta(minutes=5)) == Identity(subject="ada")
    late = token(now=long_ago, run=RUN)
    assert "it has expired" in (await show(late, sent_at=long_ago + timedelta(minutes=6))).refused


async def test_a_run_that_begins_after_its_token_expired_is_refused(show: Show, database: Database) -> None:
    sent_token = token(now=NOW)
    await show(sent_token, sent_at=NOW)
    with pytest.raises(BadCaller, match="before the run was started"):
        await who(database, sent_token, started_at=NOW + timedelta(minutes=6))


async def test_the_ticket_of_one_run_is_worth_nothing_for_another(show: Show, database: Database) -> None:
    sent_token = token()
    await show(sent_token)
    stolen = ticket(sent_token)  # anybody who reads that run's history knows the ticket
    with pytest.raises(BadCaller, match="made for another run"):
        await identity(SqlCallers(database), "default", "default:two", "second", stolen)


async def test_a_ticket_is_used_up_by_the_first_run_of_its_id(show: Show, database: Database) -> None:
    sent_token = token()
    await show(sent_token)
    assert await who(database, sent_token) == await who(database, sent_token), "its own effect may be done twice"
    with pytest.raises(BadCaller, match="used up"):
        await who(database, sent_token, first="another-execution")


async def test_a_run_is_tried_again_while_its_token_is_not_verified(
    show: Show, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "PATIENCE", 0.05)
    sent_token = token()
    with pytest.raises(CallerAwaited, match="not verified yet") as awaited:
        await who(database, sent_token)
    assert not awaited.value.final
    await show(sent_token)
    assert (await who(database, sent_token)).subject == "ada"


async def test_a_starter_who_calls_themselves_something_else_is_refused(show: Show, database: Database) -> None:
    sent_token = token("ada")
    await show(sent_token)
    with pytest.raises(BadCaller, match="started_by names 'eve', and the caller's token is of 'ada'"):
        await who(database, sent_token, started_by="eve")
    for same in ("ada", ""):
        assert (await who(database, sent_token, started_by=same)).subject == "ada"


async def test_a_key_is_replaced_without_a_gap(show: Show) -> None:
    old, new = (ECKey.generate_key("P-256", parameters={"kid": kid}) for kid in ("old", "new"))
    for settings, believed in ((believing(old), (old,)), (believing(old, new), (old, new)), (believing(new), (new,))):
        for key in (old, new):
            answer = await show(token(key=key), settings=settings)
            assert (answer.subject == "ada") == (key in believed), answer
            if key not in believed:
                assert "a key that is not known here" in answer.refused


async def test_a_token_that_was_refused_for_want_of_a_key_counts_once_the_key_is_known(
    show: Show, database: Database
) -> None:
    sent_token = token()
    assert "set PERDURE_CALLERS__KEYS" in (await show(sent_token, settings=Callers())).refused
    assert (await show(sent_token)).subject == "ada"
    assert (await who(database, sent_token)).subject == "ada"


async def test_only_the_issuer_that_is_named_is_believed(show: Show) -> None:
    settings = believing(KEY, issuer="idp")
    assert "iss" in (await show(token(), settings=settings)).refused
    assert (await show(token(issuer="idp"), settings=settings)).subject == "ada"


@pytest.mark.parametrize("audience", ["perdure", "perdure-callers"])
async def test_a_signed_decision_is_no_callers_token(show: Show, audience: str) -> None:
    decision = StepDecision(decision_id="1", step="s", digest="1" * 64, ruling=Ruling.APPROVE, by="ada")
    claims = claims_of(decision, RUN, now=datetime.now(UTC), audience=audience)
    answer = await show(jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY, ["ES256"]))
    assert answer.refused
    assert not answer.subject


async def test_a_run_of_another_tenant_is_not_spoken_for(show: Show) -> None:
    with pytest.raises(NotThisRun, match="not the tenant 'acme'"):
        await show(token(tenant="acme"), tenant="acme")


async def test_no_token_is_ever_kept(show: Show, tmp_path: Path) -> None:
    good, bad = token("ada"), token("eve", key=STRANGER)
    for sent_token in (good, bad):
        await show(sent_token)
    with closing(sqlite3.connect(tmp_path / "perdure.db")) as file:
        rows = json.dumps(file.execute("SELECT * FROM callers").fetchall())
    assert "ada" in rows, "the place that is looked at"
    assert "eve" not in rows, "who was refused is nobody"
    assert not [part for sent_token in (good, bad) for part in sent_token.split(".") if part in rows]


def test_what_carries_a_token_does_not_show_it() -> None:
    sent_token = token()
    assert sent_token not in repr(PresentCaller(tenant="default", workflow_id=RUN, token=sent_token))
    with pytest.raises(ValidationError) as refused:
        PresentCaller.model_validate({"tenant": "default", "token": [sent_token]})
    assert sent_token not in str(refused.value)
