"""`perdure effects`: what each effect does to the world, and how it is run."""

from perdure.cli import options
from perdure.cli.output import Output
from perdure.contracts.temporal.queues import Queue

COLUMNS = ("effect", "runs as", "queue", "timeouts", "retries", "paid", "what it does to the world")

FIELDS = ("effect", "runs_as", "queue", "timeouts", "retries", "paid", "world")


def effects(*, as_json: options.Json = False) -> None:
    """Show the table of effects: what each does to the world, and how it is run."""
    from deploy.local.commands.effects import rows

    out, table = Output(as_json=as_json), rows()
    if as_json:
        out.json([dict(zip(FIELDS, row, strict=True)) for row in table])
        return
    out.rows(COLUMNS, table)
    out.note(
        f"By default all but the paid effects wait on the queue {Queue.PLATFORM.value!r}, which workers of all roles "
        "serve. The queues above are for runs that workers of one role each serve."
    )
