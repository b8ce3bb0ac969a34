"""The lean loop's activities: messages lie in SQLite, and only the newest one's digest travels through the history."""

from temporalio import activity

from tests.bench.agents.loops.contracts import Head, Make, Move, Task
from tests.bench.agents.loops.messages import Messages
from tests.bench.agents.loops.model import Speaks, call_tool, calls_of


class Lean:
    """The activities. Each stores its message before it returns the digest."""

    def __init__(self, model: Speaks, messages: Messages) -> None:
        self._model = model
        self._messages = messages

    @activity.defn(name="lean-begin")
    async def begin(self, task: Task) -> Head:
        return self._messages.store({"role": "user", "content": task.text}, None)

    @activity.defn(name="lean-think")
    async def think(self, head: Head) -> Move:
        message = await self._model.reply(self._messages.conversation(head))
        return Move(head=self._messages.store(message, head), calls=calls_of(message), text=message["content"])

    @activity.defn(name="lean-act")
    async def act(self, make: Make) -> Head:
        return self._messages.store(call_tool(make.call), make.head)
