"""Makes the secret files of the production stack: random where one is missing, and never replaced."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.processes.errors import DeployError

FOLDER = Path(__file__).resolve().parent / "secrets"
"""The default folder of the secret files."""

BYTES = 24
"""The random bytes in each password."""


def make_secrets(folder: Path) -> list[str]:
    """Make the missing secrets, and return their names. Raises `DeployError`.

    Only the owner can enter the folder. The files in it are readable by everybody, since compose mounts single files
    into containers whose users are other ones. Addresses contain the passwords of their servers.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        made: list[str] = []
        passwords = {
            name: _secret(folder, name, lambda: secrets.token_urlsafe(BYTES), made)
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
            _secret(folder, name, lambda address=address: address, made)
    except OSError as error:
        raise DeployError(
            f"cannot keep secrets in {str(folder)!r}: {error.strerror}; name another folder, or mend its permissions"
        ) from None
    return made


def _secret(folder: Path, name: str, value: Callable[[], str], made: list[str]) -> str:
    """Return the secret of this name; make it, and add the name to `made`, where it is missing."""
    file = folder / name
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(descriptor, "w") as out:
        os.fchmod(descriptor, 0o444)  # whatever the mask of this process is
        out.write(value())
    made.append(name)
    return file.read_text()
