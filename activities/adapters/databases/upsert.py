"""Inserts rows whose key may exist already: the one statement that differs between the databases' dialects."""

from functools import cache

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert


def insert_or_keep(connection: Connection, table: Table) -> Insert:
    """Return a statement that inserts rows; a row whose key exists already changes nothing."""
    return _keep(connection.dialect.name, table)


def insert_or_replace(connection: Connection, table: Table) -> Insert:
    """Return a statement that inserts rows; a row whose key exists already replaces the stored row."""
    return _replace(connection.dialect.name, table)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _keep(dialect: str, table: Table) -> Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _replace(dialect: str, table: Table) -> Insert:
    insertion = _insert(dialect, table)
    key = [column.name for column in table.primary_key.columns]
    other_columns = {column.name: insertion.excluded[column.name] for column in table.columns if column.name not in key}
    return insertion.on_conflict_do_update(index_elements=key, set_=other_columns)
