"""Reads the versions of workers, and makes one the current one, on the Temporal server of the settings."""

from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.service import RPCError

from activities.adapters.temporal.worker_versions import Versions, build_id, make_current, versions
from activities.settings import Settings
from deploy.processes.errors import DeployError
from deploy.processes.temporal_config import connected


@dataclass(frozen=True)
class KnownVersions:
    """The versions of a deployment's workers, and what is to be said about them."""

    deployment: str
    status: Versions

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row for every version, the oldest first: its build, its status, its running runs, when it was seen."""
        return [(each.build, each.status, str(each.running), _ago(each.seen)) for each in self.status.known]

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing and no problem."""
        left = self.status.unversioned
        return [f"{left} running without a version: not begun yet, or taken by workers without one"] if left else []

    @property
    def problems(self) -> list[str]:
        """Why new runs or running ones have no worker, each with its remedy."""
        found: list[str] = []
        if self.status.current is None:
            last = self.status.known[-1].build if self.status.known else "VERSION"
            found.append(f"no version is current, so new runs wait: `perdure versions use {last}`")
        found += [
            f"{each.running} running on {each.build}, which has had no worker for five minutes: start one again, "
            "or move them as deploy/versions/README.md says"
            for each in self.status.known
            if each.running and each.seen is None
        ]
        return found


async def known(settings: Settings) -> KnownVersions:
    """Return the versions that the server knows. Raises `DeployError` and `RPCError`."""
    deployment = _deployment(settings)
    status = await versions(await connected(settings), deployment)
    if status is None:
        raise DeployError(
            f"no worker of {deployment!r} was ever seen: start one with PERDURE_WORK__DEPLOYMENT={deployment}"
        )
    return KnownVersions(deployment, status)


async def use(settings: Settings, version: str | None) -> tuple[str, dict[str, int]]:
    """Make a version the current one; None for the one of the settings, or of this checkout.

    Return it, and how many runs run on each other version. Raises `DeployError` and `RPCError`.
    """
    build = settings.work.build if version is None else version
    build = build_id() if build is None else build
    deployment = _deployment(settings)
    client = await connected(settings)
    try:
        await make_current(client, deployment, build)
    except TimeoutError:
        raise DeployError(
            "the Temporal server has not told every queue yet: look again with `perdure versions`"
        ) from None
    except RPCError as error:
        raise await _refusal(client, deployment, build, error) from None
    status = await versions(client, deployment)
    others = () if status is None else status.known
    return build, {each.build: each.running for each in others if each.build != build and each.running}


async def _refusal(client: Client, deployment: str, build: str, error: RPCError) -> DeployError:
    status = await versions(client, deployment)
    builds = [] if status is None else [each.build for each in status.known]
    if build in builds:
        remedy = f"start workers of {build} in every role that the current version has"
        return DeployError(f"the Temporal server refused: {error.message}: {remedy}")
    return DeployError(
        f"{deployment} has no version {build!r}: its workers have shown {', '.join(builds) or 'none'}; start one "
        f"with PERDURE_WORK__DEPLOYMENT={deployment} PERDURE_WORK__BUILD={build} first"
    )


def _deployment(settings: Settings) -> str:
    """Return the name of the workers' deployment. Raises `DeployError` where the settings have none."""
    if settings.work.deployment is None:
        raise DeployError("workers have no versions: set PERDURE_WORK__DEPLOYMENT, here and for them, to perdure")
    return settings.work.deployment


def _ago(seen: datetime | None) -> str:
    return "" if seen is None else f"{max(0, round((datetime.now(UTC) - seen).total_seconds()))} s ago"
