"""Serves the stub model of agents: it follows the script in the conversation, and writes the bill."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agents import summary
from deploy.testing.stub.ledger import BillFile
from deploy.testing.stub.protocol import objection
from deploy.testing.stub.replies import Json, completion, content_for, events
from deploy.testing.stub.server import Gone, StubServer, StubSpeech
from perdure.contracts.chains.spec import Prices
from perdure.contracts.contract import BadInput
from perdure.testing.script import Script, Turn, find_script

MODEL = "stub"
"""The model's name in a catalogue; it answers to any name."""

BYTES_PER_TOKEN = 4
"""The bytes of a token here: a budget's upper bound, one token for each byte, always covers this count."""

SUMMED_UP = re.compile(r"The stub has summed up (\d+) turns\.")
"""The text of its summaries, with the number of assistant turns that they replace."""


@dataclass(frozen=True)
class Cue:
    """The position of a conversation in its script."""

    run: str
    number: int
    """The model's turn, from 1; 0 for a summary."""
    turn: Turn | None
    """The turn of the script; None without a script: then the stub answers with the first sentence of the prompt."""


def cue(request: Json) -> Cue:
    """Return the position of a request's conversation. Raises `BadInput` for a bad or too short script."""
    script: Script | None = None
    turns_done = 0
    for message in request["messages"]:
        text = _text(message) if message["role"] == "user" else ""
        if text.startswith(summary.RECORD):
            return _summed_up(text)
        if text and script is None:
            script, turns_done = find_script(text), 0
        elif text:
            turns_done += sum(map(int, SUMMED_UP.findall(text)))
        elif message["role"] == "assistant":
            turns_done += 1
    if script is None:
        return Cue("", turns_done + 1, None)
    if turns_done >= len(script.turns):
        raise BadInput(f"the script of {script.run!r} has {len(script.turns)} turns, and this is turn {turns_done + 1}")
    return Cue(script.run, turns_done + 1, script.turns[turns_done])


def _summed_up(record: str) -> Cue:
    """Return the cue for a summary. An earlier summary in the record counts with the turns that it replaced."""
    script = find_script(record)
    turns = len(summary.ASSISTANT.findall(record)) + sum(map(int, SUMMED_UP.findall(record)))
    return Cue("" if script is None else script.run, 0, Turn(answer=f"The stub has summed up {turns} turns."))


def item_of(request: Json, turn: Turn | None) -> Json:
    """Return the reply of a turn, with its token counts."""
    reply: Json = {} if turn is None else {"content": turn.answer or ""}
    if turn is not None and turn.calls:
        reply = {"tool_calls": [call.model_dump(mode="json") for call in turn.calls]}
    written = json.dumps(reply["tool_calls"]) if "tool_calls" in reply else content_for(request, reply)
    read = _tokens("".join(_text(message) for message in request["messages"]))
    wrote = _tokens(written)
    if turn is not None:
        read = read if turn.input_tokens is None else turn.input_tokens
        wrote = wrote if turn.output_tokens is None else turn.output_tokens
    most = request.get("max_tokens") or request.get("max_completion_tokens") or wrote
    return {**reply, "input_tokens": read, "output_tokens": min(wrote, int(most)), "cached_tokens": 0}


class ScriptedModel(StubServer):
    """The server of the stub model, with its prices and its bill."""

    def __init__(self, port: int, bill: Path, prices: Prices) -> None:
        super().__init__(port, _Conversation)
        self.bill = BillFile(bill)
        self.prices = prices

    def server_close(self) -> None:
        """Close the socket, and the bill with it."""
        super().server_close()
        self.bill.close()


class _Conversation(StubSpeech):
    disable_nagle_algorithm = True  # head and body of a reply do not wait for each other's acknowledgement
    server: ScriptedModel  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        if self.path == "/v1/models":
            self.send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self.send(200, {"status": "ok"})

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        try:
            self._answer(self._request())
        except BadInput as mistake:
            self._refuse(400, str(mistake))
        except (Gone, ConnectionError):
            self.close_connection = True

    def _request(self) -> Json:
        try:
            request: Any = self.body()
        except ValueError:
            raise BadInput("the stub reads JSON: send an OpenAI chat completion") from None
        if not isinstance(request, dict) or not isinstance(cast("Json", request).get("messages"), list):
            raise BadInput("the stub answers chat completions only: send `messages`")
        if (refused := objection(cast("Json", request))) is not None:
            raise BadInput(f"the stub takes no conversation that a server would refuse: {refused}")
        return cast("Json", request)

    def _answer(self, request: Json) -> None:
        position = cue(request)
        item = item_of(request, position.turn)
        with self.server.bill.attempt(position.run, position.number) as attempt:
            fails = None if position.turn is None else position.turn.fails_with(attempt.number)
            attempt.count(
                met="answered" if fails is None else "dropped" if fails == 0 else str(fails),
                model=str(request.get("model", "")),
                request=request.get("rid") or request.get("user"),
                input_tokens=item["input_tokens"],
                output_tokens=item["output_tokens"],
                prices=self.server.prices,
            )
        self.wait(0)  # a caller that is gone gets no reply; the call is on the bill nevertheless
        if position.turn is not None and position.turn.pause:
            self.wait(position.turn.pause)
        if fails is not None:
            if fails == 0:
                self.close_connection = True
            else:
                self._refuse(fails, f"the script of {position.run!r} lets call {attempt.number} of this turn fail")
        elif request.get("stream"):
            self.stream(events(request, item), done=True)
        else:
            self.send(200, {**completion(request, item), "created": int(time.time())})

    def _refuse(self, status: int, reason: str) -> None:
        self.send(status, {"error": {"message": f"stub: {reason}", "code": status}})


def _text(message: Json) -> str:
    """Return the text of a message, whether its content is a string or a list of parts."""
    content: Any = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in cast("list[Json]", content))
    return str(content or "")


def _tokens(text: str) -> int:
    return max(1, len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


__all__ = ["MODEL", "ScriptedModel", "cue", "item_of"]
