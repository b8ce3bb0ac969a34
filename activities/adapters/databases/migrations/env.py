"""Runs the missing migrations for alembic, on the connection and in the transaction of `bring_up`."""

from alembic import context

from activities.adapters.databases.tables import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema)
context.run_migrations()
