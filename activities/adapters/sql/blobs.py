"""Keeps bodies by tenant and digest in a SQL database."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import bodies as _bodies
from activities.adapters.databases.upsert import insert_or_replace
from activities.ports import BodyCorrupt, BodyMissing


class SqlBlobs:
    """A `BlobStore`. A body is readable by the tenants that stored it and by no other."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def put(self, tenant: str, body: bytes) -> str:
        """Store a body and return its SHA-256. Storing it again changes nothing and writes nothing.

        Raises `StorageFull`, `StorageFailed`.
        """
        [digest] = await self.put_all(tenant, [body])
        return digest

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """Store several bodies in one transaction and return their SHA-256 digests, in order.

        Raises `StorageFull`, `StorageFailed`.
        """
        digests = [hashlib.sha256(body).hexdigest() for body in bodies]

        def put(connection: Connection) -> None:
            stored = _stored_bodies(connection, tenant, digests)
            store_bodies(
                connection,
                tenant,
                [body for digest, body in zip(digests, bodies, strict=True) if stored.get(digest) != body],
            )

        # One transaction for reading and writing. One that has nothing to write syncs nothing to the disk.
        await self._database.write(put)
        return digests

    async def get(self, tenant: str, digest: str) -> bytes:
        """Return a body. Raises `BodyMissing`, `BodyCorrupt`, `StorageFailed`."""
        [body] = await self.get_all(tenant, [digest])
        return body

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Return several bodies, in the order of their digests, with one query.

        Raises `BodyMissing`, `BodyCorrupt`, `StorageFailed`.
        """
        stored = await self._database.read(lambda connection: _stored_bodies(connection, tenant, digests))
        for digest in digests:
            if digest not in stored:
                raise BodyMissing(
                    f"the tenant {tenant!r} has no text {digest!r}: it was forgotten, or stored in another database"
                )
            if hashlib.sha256(stored[digest]).hexdigest() != digest:
                raise BodyCorrupt(
                    f"the text {digest!r} of the tenant {tenant!r} was changed in the database: restore it"
                )
        return [stored[digest] for digest in digests]


def _stored_bodies(connection: Connection, tenant: str, digests: Sequence[str]) -> dict[str, bytes]:
    parameters = {"tenant": tenant, "digests": list(dict.fromkeys(digests))}
    return {row.digest: row.body for row in connection.execute(_BODIES, parameters).all()}


_BODIES = select(_bodies.c.digest, _bodies.c.body).where(
    _bodies.c.tenant == bindparam("tenant"), _bodies.c.digest.in_(bindparam("digests", expanding=True))
)


def store_bodies(connection: Connection, tenant: str, bodies: Sequence[bytes]) -> None:
    """Store bodies under their digests, within the caller's transaction."""
    by_digest = {hashlib.sha256(body).hexdigest(): body for body in bodies}
    # Sorted, so that every transaction locks rows in the same order: different orders could deadlock.
    rows = [{"tenant": tenant, "digest": digest, "body": body} for digest, body in sorted(by_digest.items())]
    if rows:
        # A body that is stored already is the same, or it is damaged and this repairs it.
        connection.execute(insert_or_replace(connection, _bodies), rows)
