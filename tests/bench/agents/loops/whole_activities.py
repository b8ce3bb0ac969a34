"""The activities of the loop that passes the whole message list as the model's input."""

from temporalio import activity

from tests.bench.agents.loops.contracts import Call, Conversation, NewMessage
from tests.bench.agents.loops.model import Speaks, call_tool


class Whole:
    """The activities. All messages travel through the history."""

    def __init__(self, model: Speaks) -> None:
        self._model = model

    @activity.defn(name="whole-think")
    async def think(self, conversation: Conversation) -> NewMessage:
        return NewMessage(message=await self._model.reply(conversation.messages))

    @activity.defn(name="whole-act")
    async def act(self, call: Call) -> NewMessage:
        return NewMessage(message=call_tool(call))
