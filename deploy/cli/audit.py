"""`perdure audit`: who started a run, and who decided what in it."""

from typing import Annotated

import typer

from deploy.cli import options
from perdure.cli import options as shared
from perdure.cli.output import Output

COLUMNS = ("at (UTC)", "what", "step", "who", "signed", "why")


def audit(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's business id.", show_default=False)],
    *,
    tenant: options.Tenant = "default",
    as_json: shared.Json = False,
) -> None:
    """Show who started a run and who decided what in it, from the database: also what was refused and rejected.

    It needs no Temporal server, and outlives the run's history. `perdure show` has the rest of the run.
    """
    from activities.settings import load
    from deploy.local.commands.audit import read

    out, entries = Output(as_json=as_json), read(load(), tenant, run)
    if as_json:
        out.json(entries)
        return
    if not entries:
        out.note(f"the database knows no signed start and no decision of run {run!r} of the tenant {tenant!r}")
    out.rows(
        COLUMNS,
        (
            (
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.what,
                entry.step or "-",
                entry.who or "-",
                "yes" if entry.verified else "no",
                entry.why or "-",
            )
            for entry in entries
        ),
    )
