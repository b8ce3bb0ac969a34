"""`perdure budget`: the spend of a tenant's runs on one day."""

from typing import Annotated, Any

import typer

from deploy.cli import options
from perdure.cli import options as shared
from perdure.cli.output import Output

COLUMNS = ("", "limit", "settled", "reserved", "left")


def budget(
    *,
    tenant: options.Tenant = "default",
    day: Annotated[
        str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="A day of UTC (default: today).")
    ] = None,
    as_json: shared.Json = False,
) -> None:
    """Show the spend of a tenant's runs on one day, and the open reservations of each run."""
    from activities.settings import load
    from deploy.local.commands.budget import COUNTED, in_words, read

    out, found = Output(as_json=as_json), read(load(), tenant, day)
    counts: dict[str, dict[str, int | None]] = {
        name: {column: getattr(part, name) for column, part in zip(COLUMNS[1:], found.parts, strict=True)}
        for name in COUNTED
    }
    if as_json:
        fields: dict[str, Any] = {"tenant": tenant, "day": found.day.isoformat(), "limited": found.limited}
        out.json({**fields, "counts": counts, "reservations": found.reservations})
        return
    out.say(f"the tenant {tenant!r} on {found.day} (UTC)")
    if not found.limited:
        out.say("no limit is set here (PERDURE_LIMITS__DAILY, PERDURE_LIMITS__TENANTS), so nothing is counted")
    out.rows(
        COLUMNS,
        ((name, *("-" if count is None else f"{count:,}" for count in row.values())) for name, row in counts.items()),
        right=COLUMNS[1:],
    )
    out.say(f"open reservations: {len(found.reservations) or 'none'}")
    out.say(
        *(
            f"  {held.reserved_at:%H:%M:%S}  {held.key.workflow_id}  {held.key.name}  at most {in_words(held.amount)}"
            for held in found.reservations
        )
    )
