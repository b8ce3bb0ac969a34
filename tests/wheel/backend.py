"""A backend service, as its author would write it: it has the wheel and an address, and nothing else."""

import asyncio
import importlib.util
import json
import sys

from perdure import Platform, RunConflict


async def main(address: str) -> None:
    """Start a run twice, look at it, ask something else under its name, and stop it."""
    async with await Platform.connect(address) as platform:
        first = await platform.start("How many days of leave do I get?", business_id="hr-4711")
        first_status = await platform.status("hr-4711")
        second = await platform.start("How many days of leave do I get?", business_id="hr-4711")
        second_status = await platform.status("hr-4711")
        try:
            await platform.start("Who approves my leave?", business_id="hr-4711")
            conflict = ""
        except RunConflict as error:
            conflict = str(error)
        await platform.cancel("hr-4711")
        report = {
            "started": [first, second],
            "state": first_status.state,
            "phase": first_status.phase,
            "began": first_status.started.isoformat(),
            "again": second_status.started.isoformat(),
            "conflict": conflict,
            "platform": [
                name for name in ("agents", "tools", "workflows", "activities") if importlib.util.find_spec(name)
            ],
        }
    print(json.dumps(report))  # noqa: T201 - the test reads it


asyncio.run(main(sys.argv[1]))
