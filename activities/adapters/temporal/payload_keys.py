"""The keys that bind a payload in the blob store to its run: from the settings, or one from the database."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import payload_keys as _keys
from activities.ports import NotConfigured
from activities.settings.groups import Payloads

MIN_KEY_LENGTH: Final = 32
"""The length of a generated key, in bytes, and the least length of a configured key, in characters."""

SETTING: Final = "PERDURE_PAYLOADS__KEYS"
REMEDY: Final = f"random secrets of at least {MIN_KEY_LENGTH} characters, with commas between them"


class PayloadKeys:
    """The keys of payload signatures: the newest one signs, and every one verifies. A key never expires.

    Where the settings have no key, the first worker that signs makes one in the database, and every worker of that
    database shares it. It is stored beside the texts, so a backup has both. Workers with configured keys still verify
    with it.
    """

    def __init__(self, configured: Sequence[bytes], database: Database | None) -> None:
        """`configured`: the keys of the settings; the first one signs. `database`: None for a reader without one."""
        self._configured = {key_id(key): key for key in configured}
        self._database = database
        self._stored: dict[str, bytes] = {}

    async def sign(self, message: bytes) -> tuple[str, str]:
        """Return the id of the key and the signature of a message. Raises `StorageFull`, `StorageFailed`."""
        if not (self._configured or self._stored):
            self._stored = await self._make_key()
        key_name, key = next(iter((self._configured or self._stored).items()))
        return key_name, _signature(key, message)

    async def verify(self, key_name: str, message: bytes, signature: str) -> bool:
        """Return whether one of the keys has signed the message. Raises `StorageFailed`.

        An unknown key is looked up each time, since another worker may have made it just now. The table has one row,
        and a verdict that a replay would not repeat is worse than one more query.
        """
        if key_name not in self._configured and key_name not in self._stored:
            self._stored = await self._read()
        key = self._configured.get(key_name) or self._stored.get(key_name)
        return key is not None and hmac.compare_digest(_signature(key, message), signature)

    async def _read(self) -> dict[str, bytes]:
        return {} if self._database is None else await self._database.read(_newest_first)

    async def _make_key(self) -> dict[str, bytes]:
        """Make a key unless the database has one; return the database's keys, the same for all workers."""
        if self._database is None:
            raise LookupError("there is no key and no database to keep one: nothing is signed here")
        fresh = secrets.token_bytes(MIN_KEY_LENGTH)
        made_at = datetime.now(UTC).isoformat()

        def store(connection: Connection) -> dict[str, bytes]:
            if not _newest_first(connection):
                connection.execute(_keys.insert().values(id=key_id(fresh), key=fresh, made_at=made_at))
            return _newest_first(connection)

        return await self._database.write(store)


def payload_keys(payloads: Payloads, database: Database | None) -> PayloadKeys:
    """Return the keys of the settings and the database. Raises `NotConfigured`, whose message holds no key."""
    if payloads.keys is None:
        return PayloadKeys([], database)
    configured = payloads.keys.get_secret_value().replace(",", " ").split()
    if not configured:
        raise NotConfigured(f"{SETTING} names no key: leave it out, or write {REMEDY}")
    for place, key in enumerate(configured, 1):
        if len(key) < MIN_KEY_LENGTH:
            raise NotConfigured(f"{SETTING}: key {place} has {len(key)} characters: write {REMEDY}")
    return PayloadKeys([key.encode() for key in configured], database)


def key_id(key: bytes) -> str:
    """Return the id of a key, for use beside a signature: 16 hexadecimal characters that reveal nothing about it."""
    return hmac.new(key, b"perdure payload key", hashlib.sha256).hexdigest()[:16]


def _signature(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _newest_first(connection: Connection) -> dict[str, bytes]:
    rows = connection.execute(select(_keys).order_by(_keys.c.made_at.desc(), _keys.c.id)).all()
    return {row.id: bytes(row.key) for row in rows}
