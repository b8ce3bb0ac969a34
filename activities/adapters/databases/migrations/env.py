"""What alembic runs: the migrations that are missing, on the connection and in the transaction of `bring_up`."""

from alembic import context

from activities.adapters.databases.tables import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema)
context.run_migrations()
