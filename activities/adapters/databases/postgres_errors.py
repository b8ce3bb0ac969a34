"""What PostgreSQL raises as the ports' errors: one line, without the password, and whether waiting helps."""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError

from activities.ports import PortError, StorageFailed, StorageFull

SETTING: Final = "PERDURE_DATABASE__POSTGRES"


@dataclass(frozen=True)
class Trouble:
    """What went wrong."""

    error: PortError
    """What to raise where it is not tried again."""
    passing: bool
    """Whether doing the transaction again may help."""


@dataclass(frozen=True)
class _Meaning:
    pattern: str
    """Of a five-character SQLSTATE, or of words."""
    says: str
    """After the server's name; with the `reason` that the server gave and the `patience` that was had."""
    passing: bool = False
    kind: type[PortError] = StorageFailed


_BY_STATE: Final = (
    _Meaning("53100", "has no room left on its disk: make room and try again", kind=StorageFull),
    _Meaning("25006|0A000", f"is a standby or was made read-only: name the primary in {SETTING}"),
    _Meaning("42501", "forbids this user what the platform does ({reason}): GRANT it, or let it own the schema"),
    _Meaning("42P01", "lacks a table ({reason}): restore the database, or name another in " + SETTING),
    _Meaning(
        "40001|40P01|55P03", "was busy with other writers for {patience:g} s: see what holds its locks", passing=True
    ),
    _Meaning("08.*|57P.*|53300|25P03", "was away for {patience:g} s ({reason}): see that it runs", passing=True),
    _Meaning(".*", "failed: {reason}; see its log"),
)

# A server that refuses a connection, and a client that makes none, say why in words alone. In another language than
# English they are taken for a server that is away, and told after the patience.
_BY_WORDS: Final = (
    _Meaning(
        "password authentication failed|no password supplied|role .* does not exist|not permitted to log in"
        r"|no pg_hba\.conf entry|authentication failed",
        f"refused the password or user: check {SETTING}",
    ),
    _Meaning("database .* does not exist", f"has no database of this name: create it, or check {SETTING}"),
    _Meaning("permission denied for database", "lets this user not connect: GRANT CONNECT ON DATABASE to it"),
    _Meaning(
        "certificate|does not support SSL|SSL error|private key",
        f"speaks no TLS, or cannot be trusted: check sslmode and sslrootcert in {SETTING}",
    ),
    _Meaning(
        "invalid (connection option|sslmode|port|integer|channel_binding|target_session|gssencmode|require_auth)",
        f"has an option in its address that is none: check {SETTING}",
    ),
    _Meaning("session is read-only|hot standby", f"is a standby that only reads: name the primary in {SETTING}"),
    _Meaning(".*", "cannot be reached, tried for {patience:g} s ({reason}): see that it runs", passing=True),
)


def unreadable() -> StorageFailed:
    """The error for an address that is none. It is not shown: it may hold a password."""
    return StorageFailed(
        f"the address of PostgreSQL cannot be used: write {SETTING}=postgresql://user:password@host/db"
    )


def crowded(server: str, patience: float) -> StorageFailed:
    """The error of a transaction that waited for nothing but its turn."""
    return StorageFailed(
        f"PostgreSQL at {server} was not reached for {patience:g} s: this worker's other transactions held every "
        "connection; see what holds them up"
    )


def trouble(error: Exception, server: str, patience: float) -> Trouble:
    """What an error of SQLAlchemy or psycopg means; `server` is host, port and database."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    said = str(getattr(getattr(cause, "diag", None), "message_primary", None) or cause)
    reason = next(iter(said.strip().splitlines()), "")[:200].strip()
    if state is None:
        meaning = next(one for one in _BY_WORDS if re.search(one.pattern, said))
    else:
        meaning = next(one for one in _BY_STATE if re.fullmatch(one.pattern, state))
    says = meaning.says.format(reason=reason, patience=patience)
    return Trouble(meaning.kind(f"PostgreSQL at {server} {says}"), meaning.passing)
