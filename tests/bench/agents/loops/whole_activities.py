"""The activities of the loop that passes the whole message list: it is the model's input, and its reply comes back."""

from temporalio import activity

from tests.bench.agents.loops.contracts import Call, Conversation, Said
from tests.bench.agents.loops.model import Speaks, read


class Whole:
    """Everything travels through the history."""

    def __init__(self, model: Speaks) -> None:
        self._model = model

    @activity.defn(name="whole-think")
    async def think(self, conversation: Conversation) -> Said:
        return Said(message=await self._model.reply(conversation.messages))

    @activity.defn(name="whole-act")
    async def act(self, call: Call) -> Said:
        return Said(message=read(call))
