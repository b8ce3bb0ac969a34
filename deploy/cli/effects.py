"""`perdure effects`: what each effect does to the world, and how it is run."""

from perdure.cli import options
from perdure.cli.output import Output

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
