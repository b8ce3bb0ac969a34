"""The keys that bind a payload in the blob store to its run: an operator's own, or one that the database keeps."""

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

LENGTH: Final = 32
"""Bytes of a key that is made here, and the fewest characters of an operator's."""

SETTING: Final = "PERDURE_PAYLOADS__KEYS"
REMEDY: Final = f"random secrets of at least {LENGTH} characters, with commas between them"


class PayloadKeys:
    """Signs with the newest key and verifies with every one. Each that has ever signed stays good.

    Without a key of the operator's, the first worker that signs makes one, and every worker of that database shares it:
    it lies where the texts lie, so a backup has both. Workers with keys of their own still verify with that one.
    """

    def __init__(self, own: Sequence[bytes], database: Database | None) -> None:
        """`own` are the operator's, of which the first signs; `database` is None where none is at hand, to read."""
        self._own = {key_id(key): key for key in own}
        self._database = database
        self._kept: dict[str, bytes] = {}

    async def sign(self, message: bytes) -> tuple[str, str]:
        """The id of the key, and the signature. Raises `StorageFull`, `StorageFailed`."""
        if not (self._own or self._kept):
            self._kept = await self._made()
        name, key = next(iter((self._own or self._kept).items()))
        return name, _signature(key, message)

    async def verify(self, name: str, message: bytes, signature: str) -> bool:
        """Whether one of the keys has signed the message. Raises `StorageFailed`.

        A key that is not known is looked up each time: another worker may have made it just now, and a verdict that a
        replay would not come to again is worse than a look at a table of one row.
        """
        if name not in self._own and name not in self._kept:
            self._kept = await self._read()
        key = self._own.get(name) or self._kept.get(name)
        return key is not None and hmac.compare_digest(_signature(key, message), signature)

    async def _read(self) -> dict[str, bytes]:
        return {} if self._database is None else await self._database.read(_newest_first)

    async def _made(self) -> dict[str, bytes]:
        """The database's keys, of which there is at least one afterwards, the same for all workers."""
        if self._database is None:
            raise LookupError("there is no key and no database to keep one: nothing is signed here")
        fresh = secrets.token_bytes(LENGTH)
        made_at = datetime.now(UTC).isoformat()

        def keep(connection: Connection) -> dict[str, bytes]:
            if not _newest_first(connection):
                connection.execute(_keys.insert().values(id=key_id(fresh), key=fresh, made_at=made_at))
            return _newest_first(connection)

        return await self._database.write(keep)


def payload_keys(payloads: Payloads, database: Database | None) -> PayloadKeys:
    """The keys that the settings and the database hold. Raises `NotConfigured`, in whose words no key stands."""
    if payloads.keys is None:
        return PayloadKeys([], database)
    own = payloads.keys.get_secret_value().replace(",", " ").split()
    if not own:
        raise NotConfigured(f"{SETTING} names no key: leave it out, or write {REMEDY}")
    for place, key in enumerate(own, 1):
        if len(key) < LENGTH:
            raise NotConfigured(f"{SETTING}: key {place} has {len(key)} characters: write {REMEDY}")
    return PayloadKeys([key.encode() for key in own], database)


def key_id(key: bytes) -> str:
    """What a key is called beside a signature: 16 hexadecimal characters that tell nothing about it."""
    return hmac.new(key, b"perdure payload key", hashlib.sha256).hexdigest()[:16]


def _signature(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _newest_first(connection: Connection) -> dict[str, bytes]:
    rows = connection.execute(select(_keys).order_by(_keys.c.made_at.desc(), _keys.c.id)).all()
    return {row.id: bytes(row.key) for row in rows}
