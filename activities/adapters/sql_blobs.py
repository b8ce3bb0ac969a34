"""Keeps bodies by tenant and digest in a SQL database."""

import hashlib

from sqlalchemy import Column, LargeBinary, String, Table, select
from sqlalchemy.dialects.sqlite import insert

from activities.adapters.sql_database import Database, schema
from activities.ports import BodyCorrupt, BodyMissing

_bodies = Table(
    "bodies",
    schema,
    Column("tenant", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    # The key is the table: one look-up instead of two.
    sqlite_with_rowid=False,
)


class SqlBlobs:
    """A `BlobStore`. A body is readable by the tenants that stored it and by no other."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def put(self, tenant: str, body: bytes) -> str:
        """Store a body and return its SHA-256. Storing it again changes nothing and writes nothing.

        Raises `StorageFull`, `StorageFailed`.
        """
        digest = hashlib.sha256(body).hexdigest()
        if await self._find(tenant, digest) == body:
            return digest
        statement = insert(_bodies).values(tenant=tenant, digest=digest, body=body)
        # What is there already is the same, or damaged and mended by this.
        mended = statement.on_conflict_do_update(index_elements=["tenant", "digest"], set_={"body": body})
        async with self._database.write() as connection:
            await connection.execute(mended)
        return digest

    async def get(self, tenant: str, digest: str) -> bytes:
        """The body. Raises `BodyMissing`, `BodyCorrupt`, `StorageFailed`."""
        body = await self._find(tenant, digest)
        if body is None:
            raise BodyMissing(
                f"the tenant {tenant!r} has no text {digest!r}: it was forgotten, or stored in another database"
            )
        if hashlib.sha256(body).hexdigest() != digest:
            raise BodyCorrupt(f"the text {digest!r} of the tenant {tenant!r} was changed in the database: restore it")
        return body

    async def _find(self, tenant: str, digest: str) -> bytes | None:
        wanted = select(_bodies.c.body).where(_bodies.c.tenant == tenant, _bodies.c.digest == digest)
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one_or_none()
