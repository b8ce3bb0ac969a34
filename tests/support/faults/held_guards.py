"""Guards that wait until a test releases them, and then run as the real ones."""

import asyncio
from collections.abc import Sequence

from activities.ports import Guards, Subject
from perdure.contracts.guards import GuardSpec, Verdict


class HeldGuards:
    """The guards port. Every run of the guards waits until `let_go` is set."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self.asked = asyncio.Event()
        """Set once a run of the guards waits."""
        self.let_go = asyncio.Event()

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        self.asked.set()
        await self.let_go.wait()
        return await self._guards.run(guards, subject)
