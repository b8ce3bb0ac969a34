"""Reads what a run's model has asked for from the paid attempts in a SQL database."""

from sqlalchemy import select

from activities.adapters.sql_database import Database
from activities.adapters.sql_tables import paid_attempts as _attempts
from perdure.contracts.steps import StepKey


class SqlThoughts:
    """A `SavedThoughts`."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """The JSON of every reply that was saved for a step. Raises `StorageFailed`."""
        of_step = (
            select(_attempts.c.reply)
            .where(
                _attempts.c.tenant == key.tenant,
                _attempts.c.run_id == key.run_id,
                _attempts.c.step == key.step,
                _attempts.c.reply.is_not(None),
            )
            .order_by(_attempts.c.attempt)
        )
        rows = await self._database.read(lambda connection: connection.execute(of_step).all())
        return tuple(row.reply for row in rows)
