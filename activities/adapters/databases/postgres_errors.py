"""Turns PostgreSQL's errors into the ports' errors of one line, without the password, and says if waiting helps."""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError

from activities.ports import PortError, StorageFailed, StorageFull

SETTING: Final = "PERDURE_DATABASE__POSTGRES"


@dataclass(frozen=True)
class Failure:
    """An error of the database, as the port's error."""

    error: PortError
    """The error to raise where the transaction is not repeated."""
    transient: bool
    """Whether repeating the transaction may help."""


@dataclass(frozen=True)
class _Meaning:
    pattern: str
    """A regular expression for a five-character SQLSTATE, or for the words of an error."""
    message: str
    """The text after the server's name; it may use the server's `reason` and the `patience` in seconds."""
    transient: bool = False
    kind: type[PortError] = StorageFailed


_BY_STATE: Final = (
    _Meaning("53100", "has no room left on its disk: make room and try again", kind=StorageFull),
    _Meaning("25006|0A000", f"is a standby or was made read-only: name the primary in {SETTING}"),
    _Meaning("42501", "forbids this user what the platform does ({reason}): GRANT it, or let it own the schema"),
    _Meaning("42P01", "lacks a table ({reason}): restore the database, or name another in " + SETTING),
    _Meaning(
        "40001|40P01|55P03", "was busy with other writers for {patience:g} s: see what holds its locks", transient=True
    ),
    _Meaning("08.*|57P.*|53300|25P03", "was away for {patience:g} s ({reason}): see that it runs", transient=True),
    _Meaning(".*", "failed: {reason}; see its log"),
)

# An error while connecting has no SQLSTATE, only words. Words in another language than English count as a server that
# is away, so the error is raised after the patience.
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
        f"has an unknown option in its address: check {SETTING}",
    ),
    _Meaning("session is read-only|hot standby", f"is a standby that only reads: name the primary in {SETTING}"),
    _Meaning(".*", "cannot be reached, tried for {patience:g} s ({reason}): see that it runs", transient=True),
)


def unusable_address() -> StorageFailed:
    """Return the error for an invalid address. It does not show the address, which may hold a password."""
    return StorageFailed(
        f"the address of PostgreSQL cannot be used: write {SETTING}=postgresql://user:password@host/db"
    )


def no_free_connection(server: str, patience: float) -> StorageFailed:
    """Return the error of a transaction that never got a connection from the pool."""
    return StorageFailed(
        f"PostgreSQL at {server} was not reached for {patience:g} s: this worker's other transactions held every "
        "connection; see what holds them up"
    )


def classify(error: Exception, server: str, patience: float) -> Failure:
    """Return what an error of SQLAlchemy or psycopg means; `server` is host, port and database."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    text = str(getattr(getattr(cause, "diag", None), "message_primary", None) or cause)
    reason = next(iter(text.strip().splitlines()), "")[:200].strip()
    if state is None:
        meaning = next(meaning for meaning in _BY_WORDS if re.search(meaning.pattern, text))
    else:
        meaning = next(meaning for meaning in _BY_STATE if re.fullmatch(meaning.pattern, state))
    message = meaning.message.format(reason=reason, patience=patience)
    return Failure(meaning.kind(f"PostgreSQL at {server} {message}"), meaning.transient)
