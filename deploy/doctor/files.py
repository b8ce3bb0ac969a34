"""Checks files: modes of the state and of secrets, keys that sign, and the digests of models."""

import asyncio
import hashlib
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.envconfig import ClientConfigProfile

from activities.adapters.signed_credentials import SignedCredentials
from activities.adapters.sql.inspection import inspect_database
from activities.ports import PortError
from activities.settings.environment import temporal_config_file
from activities.settings.state_folder import OTHERS, exposed
from deploy.compose.secret_files import FOLDER as COMPOSE_SECRETS
from deploy.doctor.finding import Check, Context, Report, ok, skipped, warn, wrong
from deploy.local.weights import weights
from deploy.processes.errors import DeployError

OLD = timedelta(days=365)
"""The age from which on a key should be replaced."""

PIECE = 1 << 20


async def modes(context: Context, report: Report) -> None:
    """Check that the state folder, and all that is ours in it, is its owner's alone."""
    state = context.settings.paths.state
    if not state.exists():
        report(skipped("file modes", f"{state} is not there yet"))
        return
    open_to_others = await asyncio.to_thread(lambda: list(exposed(state)))
    if open_to_others:
        first, count = open_to_others[0], len(open_to_others)
        shown = f"{first} is {stat.S_IMODE(first.lstat().st_mode):04o}" + (
            f", and {count - 1} more" if count > 1 else ""
        )
        report(wrong("file modes", f"others on this machine may read the state ({shown})", f"`chmod -R go= {state}`"))
    elif state.stat().st_uid != os.geteuid():
        report(warn("file modes", f"{state} is another user's", "run the platform as its owner"))
    else:
        report(ok("file modes", f"{state} is its owner's alone"))


async def secrets(context: Context, report: Report) -> None:
    """Check that no file with a secret can be read by others."""
    del context
    files = [COMPOSE_SECRETS, temporal_config_file(), *_temporal_keys()]
    found = [file for file in files if _readable_by_others(file)]
    if found:
        shown = ", ".join(f"{file} is {stat.S_IMODE(file.stat().st_mode):04o}" for file in found)
        report(wrong("secrets", f"others on this machine may read {shown}",
                     f"`chmod go= {' '.join(map(str, found))}`, and replace what they hold"))  # fmt: skip
    else:
        there = sum(1 for file in files if file.is_file() or file.is_dir())
        report(ok("secrets", f"{there} checked, none is open to others" if there else "none lies in a file here"))


def _temporal_keys() -> list[Path]:
    """Return the file of the client's key that Temporal's own configuration names."""
    try:
        tls = ClientConfigProfile.load().tls
    except (RuntimeError, OSError):
        return []  # the check of the server says why
    key: Any = None if tls is None else tls.client_private_key
    return [key] if isinstance(key, Path) else []


def _readable_by_others(path: Path) -> bool:
    """Return whether another user could read a file, or enter a folder; not for what is no file, such as /dev/null."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool((stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and mode & OTHERS)


async def keys(context: Context, report: Report) -> None:
    """Check the keys whose signatures are believed, and the keys that sign payloads."""
    settings = context.settings
    for name, group, signatures in (
        ("keys of callers", "CALLERS", settings.callers),
        ("keys of approvals", "APPROVALS", settings.approvals),
    ):
        if signatures.keys is None:
            report(skipped(name, f"PERDURE_{group}__KEYS is not set: no signature is believed"))
            continue
        try:
            SignedCredentials(signatures, group)
        except PortError as error:
            what, _, remedy = str(error).rpartition(": ")
            report(wrong(name, what or str(error), remedy if what else "write a JSON Web Key or a PEM"))
            continue
        anybody = "" if signatures.issuer else ", of any issuer"
        report(ok(name, f"usable{anybody}, audience {signatures.audience!r}, for {signatures.longest} at most"))
    name = "keys of payloads"
    if settings.payloads.keys is not None:
        report(ok(name, "from the settings: the first one signs"))
        return
    try:
        found = await inspect_database(settings, context.seconds)
    except PortError:
        report(skipped(name, "needs the database"))
        return
    if found is None or found.newest_key is None:
        report(skipped(name, "none yet: the first worker that needs one makes it"))
        return
    age = datetime.now(UTC) - found.newest_key
    shown = f"the database's own, {age.days} days old"
    report(warn(name, shown, "set PERDURE_PAYLOADS__KEYS, as deploy/KEYS.md says") if age > OLD else ok(name, shown))


async def digests(context: Context, report: Report) -> None:
    """Compare every file of models that is here with the catalogue's SHA-256, byte by byte."""
    settings = context.settings
    try:
        catalogue = weights.read_catalogue(settings)
        needed = set(weights.needed(settings))
    except DeployError as error:
        report(wrong("model files", str(error), "correct PERDURE_PATHS__CATALOGUE or the file"))
        return
    there = {name: settings.paths.models / entry.file for name, entry in catalogue.files.items()}
    present = [name for name, file in there.items() if file.is_file()]
    wrongly = [name for name in present if await asyncio.to_thread(_sha256, there[name]) != catalogue.file(name).sha256]
    missing = sorted(needed - set(present))
    if wrongly:
        shown = ", ".join(str(there[name]) for name in wrongly)
        report(wrong("model files", f"{shown} has another SHA-256 than the catalogue", "remove it, then `make fetch`"))
    elif missing:
        report(warn("model files", f"not here yet: {', '.join(missing)}", "`make fetch`"))
    else:
        report(ok("model files", f"{len(present)} files, each with its SHA-256"))


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


MODES = Check(("file modes",), modes)
SECRETS = Check(("secrets",), secrets)
KEYS = Check(("keys of callers", "keys of approvals", "keys of payloads"), keys)
DIGESTS = Check(("model files",), digests, slow=12)
