"""Checks the database, Redis, the store of documents and the servers of models."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import SecretStr

from activities.adapters.databases.migrations import HEAD, known_revisions
from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.adapters.shared.ping import ping
from activities.adapters.sql.inspection import inspect_database
from activities.adapters.stores.open import home_of_index
from activities.ports import PortError
from activities.settings import Settings
from deploy.doctor.clocks import compared, of_answer
from deploy.doctor.finding import Check, Context, Report, ok, skipped, warn, wrong
from deploy.local.stack.stack import running
from deploy.local.weights.weights import read_catalogue
from deploy.processes.errors import DeployError

NO_TABLES = "no database yet: the first worker makes it"


async def database(context: Context, report: Report) -> None:
    """Check that the database answers, that its tables are of this checkout, and its clock."""
    try:
        found = await inspect_database(context.settings, context.seconds)
    except PortError as error:
        what, _, remedy = str(error).rpartition(": ")
        report(wrong("database", what or str(error), remedy if what else "look at its log"))
        return
    if found is None or found.revision is None:
        report(ok("database", "SQLite, not made yet") if found is None else ok("database", f"{found.name} answers"))
        report(skipped("migrations", NO_TABLES))
        report(skipped("database clock", NO_TABLES))
        return
    report(ok("database", f"{found.name} answers"))
    report(compared("database clock", found.name, found.clock - found.asked))
    if found.revision == HEAD:
        report(ok("migrations", f"revision {found.revision}, the newest"))
    elif found.revision in known_revisions():
        report(wrong("migrations", f"the database has revision {found.revision}, and this checkout is at {HEAD}",
                     "`make migrate`, or start a worker of this checkout"))  # fmt: skip
    else:
        report(wrong("migrations", f"the database has revision {found.revision}, which is newer than {HEAD}",
                     "use the checkout that made it, or a newer one"))  # fmt: skip


def _redis(name: str, address_of: Callable[[Settings], SecretStr | None]) -> Check:
    async def look(context: Context, report: Report) -> None:
        address = address_of(context.settings)
        if address is None:
            report(skipped(name, "not set: kept in SQLite, or in each worker alone"))
            return
        asked = datetime.now(UTC)
        try:
            clock = await ping(address.get_secret_value(), context.seconds)
        except PortError as error:
            what, _, remedy = str(error).rpartition(": ")
            report(wrong(name, what or str(error), remedy if what else "look at its log"))
            return
        skew = compared(name, "Redis", clock - (asked + (datetime.now(UTC) - asked) / 2))
        report(skew if skew.remedy else ok(name, "answers, and its clock agrees"))

    return Check((name,), look)


async def store(context: Context, report: Report) -> None:
    """Check the store of documents."""
    config = context.settings.store
    if config.weaviate is None:
        folder = home_of_index(context.settings)
        report(ok("store", f"LanceDB in {folder}, {_collections(folder)}") if folder.exists() else
               skipped("store", "LanceDB, nothing is indexed yet"))  # fmt: skip
        return
    key = config.weaviate_api_key
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    asked = datetime.now(UTC)
    try:
        async with httpx.AsyncClient(timeout=context.seconds, trust_env=False) as client:
            answer = await client.get(f"{config.weaviate.rstrip('/')}/v1/meta", headers=headers)
    except httpx.HTTPError as error:
        report(wrong("store", f"Weaviate at {config.weaviate} cannot be reached ({type(error).__name__})",
                     "see that it runs, or correct PERDURE_STORE__WEAVIATE"))  # fmt: skip
        return
    if not answer.is_success:
        report(wrong("store", f"Weaviate at {config.weaviate} answers {answer.status_code}",
                     "correct PERDURE_STORE__WEAVIATE_API_KEY"))  # fmt: skip
        return
    skew = of_answer("store", "Weaviate", answer, asked)
    version = answer.json().get("version", "unknown")
    report(skew if skew is not None and skew.remedy else ok("store", f"Weaviate {version} at {config.weaviate}"))


def _collections(folder: Path) -> str:
    count = sum(1 for tenant in folder.iterdir() if tenant.is_dir() for each in tenant.iterdir() if each.is_dir())
    return f"{count} collection{'' if count == 1 else 's'}"


def models(settings: Settings) -> list[Check]:
    """Return a check for each deployment of the catalogue; one that says what is wrong with the catalogue."""
    try:
        catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
        names = list(catalogue.entries)
    except PortError as error:
        problem = str(error)

        async def unreadable(_: Context, report: Report) -> None:
            report(wrong("catalogue", problem, "correct PERDURE_PATHS__CATALOGUE or the file"))

        return [Check(("catalogue",), unreadable)]
    return [_model(name, catalogue) for name in names]


def _model(deployment: str, catalogue: CatalogueFile) -> Check:
    name = f"model {deployment}"

    async def look(context: Context, report: Report) -> None:
        settings, entry = context.settings, catalogue.entry(deployment)
        up = running(settings)
        endpoint = up.models.get(deployment, entry.endpoint) if up is not None else entry.endpoint
        if not _is_served(settings, deployment) and (up is None or deployment not in up.models):
            report(skipped(name, f"the embedded stack does not serve it now: `make up TIER={deployment}` does"))
            return
        servers = HttpModelServers(
            CatalogueFile(settings.paths.catalogue, {**settings.model.endpoints, deployment: endpoint}),
            api_keys=settings.model.api_keys,
        )
        async with asyncio.timeout(context.seconds):
            health = await servers.health(deployment)
        if health.ready:
            report(ok(name, f"{endpoint} serves {', '.join(health.models[:3])}"))
            return
        what, _, remedy = health.reason.rpartition(": ")
        tiers = [tier for tier, listed in catalogue.tiers.items() if deployment in listed]
        of = f" (tier {', '.join(tiers)})" if tiers else ""
        report((wrong if tiers else warn)(name, f"{what or health.reason}{of}", remedy if what else "look at its log"))

    return Check((name,), look)


def _is_served(settings: Settings, deployment: str) -> bool:
    """Return whether a deployment should answer now: it has a server of its own, or the stack's default tier has it."""
    try:
        embedded = read_catalogue(settings).embedded(tuple(read_catalogue(settings).tiers))
        default = read_catalogue(settings).embedded(("fast",)) if "fast" in read_catalogue(settings).tiers else {}
    except DeployError:
        return True
    return deployment in settings.model.endpoints or deployment not in embedded or deployment in default


DATABASE = Check(("database", "migrations", "database clock"), database)
REDIS = (
    _redis("redis (tokens)", lambda settings: settings.tokens.redis),
    _redis("redis (shared)", lambda settings: settings.shared.redis),
)
STORE = Check(("store",), store)
