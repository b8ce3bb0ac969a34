"""The secrets of the production stack, one a file: made at random where they are missing, and never replaced."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.processes.errors import DeployError

FOLDER = Path(__file__).resolve().parent / "secrets"

BYTES = 24
"""Of chance in each password."""


def make_secrets(folder: Path) -> list[str]:
    """Make what is missing, and return its names. Raises `DeployError`.

    The folder is its owner's alone. The files in it can be read by everybody who gets there, since the users in the
    containers, whom compose shows single files, are others. Addresses hold the passwords of the servers they lead to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        made: list[str] = []
        passwords = {
            name: _kept(folder, name, lambda: secrets.token_urlsafe(BYTES), made)
            for name in ("postgres_password", "redis_password", "sglang_api_key", "perdure_store__weaviate_api_key")
        }
        redis = f"redis://:{passwords['redis_password']}@redis:6379/0"
        addresses = {
            "perdure_database__postgres": f"postgresql://perdure:{passwords['postgres_password']}@postgres:5432/perdure",
            "perdure_tokens__redis": redis,
            "perdure_shared__redis": redis,
            "perdure_model__api_keys": json.dumps({"sglang": passwords["sglang_api_key"]}),
        }
        for name, address in addresses.items():
            _kept(folder, name, lambda address=address: address, made)
    except OSError as error:
        raise DeployError(
            f"cannot keep secrets in {str(folder)!r}: {error.strerror}; name another folder, or mend its permissions"
        ) from None
    return made


def _kept(folder: Path, name: str, value: Callable[[], str], made: list[str]) -> str:
    """The secret of that name, made where it is missing."""
    file = folder / name
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(descriptor, "w") as out:
        out.write(value())
    made.append(name)
    return file.read_text()
