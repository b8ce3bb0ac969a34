"""The stub model of agents: it says what the script in the conversation says, and keeps the bill."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agents import summary
from deploy.testing.stub.ledger import BillFile
from deploy.testing.stub.replies import Json, completion, content_for, events
from deploy.testing.stub.server import Gone, StubServer, StubSpeech
from perdure.contracts.chains.spec import Prices
from perdure.contracts.contract import BadInput
from perdure.testing.script import Script, Turn, find_script

MODEL = "stub"
"""What a catalogue asks it for; it answers under any name that it is asked for."""

BYTES_PER_TOKEN = 4
"""What a token is here: a count that a budget's upper bound, a token for each byte, always covers."""


SUMMED_UP = re.compile(r"The stub has summed up (\d+) turns\.")
"""What its summaries say: how many turns of the assistant they stand for. A conversation goes on after them."""


@dataclass(frozen=True)
class Cue:
    """Where a conversation stands in its script."""

    run: str
    number: int
    """The model's turn, from 1; 0 for a summary."""
    turn: Turn | None
    """None where there is no script: then the stub answers from the first sentence that it is shown."""


def cue(request: Json) -> Cue:
    """Find it. Raises `BadInput` where the script cannot be read or has no such turn."""
    script: Script | None = None
    spoken = 0
    for message in request["messages"]:
        text = _text(message) if message["role"] == "user" else ""
        if text.startswith(summary.RECORD):
            return _summed_up(text)
        if text and script is None:
            script, spoken = find_script(text), 0
        elif text:
            spoken += sum(map(int, SUMMED_UP.findall(text)))
        elif message["role"] == "assistant":
            spoken += 1
    if script is None:
        return Cue("", spoken + 1, None)
    if spoken >= len(script.turns):
        raise BadInput(f"the script of {script.run!r} has {len(script.turns)} turns, and this is turn {spoken + 1}")
    return Cue(script.run, spoken + 1, script.turns[spoken])


def _summed_up(record: str) -> Cue:
    """A conversation that is to be summed up. Its own summary before is in the record, and counts too."""
    script = find_script(record)
    turns = len(summary.ASSISTANT.findall(record)) + sum(map(int, SUMMED_UP.findall(record)))
    return Cue("" if script is None else script.run, 0, Turn(answer=f"The stub has summed up {turns} turns."))


def item_of(request: Json, turn: Turn | None) -> Json:
    """The reply to give, with its tokens."""
    said: Json = {} if turn is None else {"content": turn.answer or ""}
    if turn is not None and turn.calls:
        said = {"tool_calls": [call.model_dump(mode="json") for call in turn.calls]}
    written = json.dumps(said["tool_calls"]) if "tool_calls" in said else content_for(request, said)
    read = _tokens("".join(_text(message) for message in request["messages"]))
    wrote = _tokens(written)
    if turn is not None:
        read = read if turn.input_tokens is None else turn.input_tokens
        wrote = wrote if turn.output_tokens is None else turn.output_tokens
    most = request.get("max_tokens") or request.get("max_completion_tokens") or wrote
    return {**said, "input_tokens": read, "output_tokens": min(wrote, int(most)), "cached_tokens": 0}


class ScriptedModel(StubServer):
    """The server, its prices and its bill."""

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
        return cast("Json", request)

    def _answer(self, request: Json) -> None:
        found = cue(request)
        item = item_of(request, found.turn)
        with self.server.bill.attempt(found.run, found.number) as attempt:
            fails = None if found.turn is None else found.turn.fails_with(attempt.number)
            attempt.count(
                met="answered" if fails is None else "dropped" if fails == 0 else str(fails),
                model=str(request.get("model", "")),
                request=request.get("rid") or request.get("user"),
                input_tokens=item["input_tokens"],
                output_tokens=item["output_tokens"],
                prices=self.server.prices,
            )
        self.wait(0)  # who is gone already is not spoken to; it is on the bill all the same
        if found.turn is not None and found.turn.pause:
            self.wait(found.turn.pause)
        if fails is not None:
            if fails == 0:
                self.close_connection = True
            else:
                self._refuse(fails, f"the script of {found.run!r} lets call {attempt.number} of this turn fail")
        elif request.get("stream"):
            self.stream(events(request, item), done=True)
        else:
            self.send(200, {**completion(request, item), "created": int(time.time())})

    def _refuse(self, status: int, reason: str) -> None:
        self.send(status, {"error": {"message": f"stub: {reason}", "code": status}})


def _text(message: Json) -> str:
    """What a message says, whichever of the two ways it is written."""
    content: Any = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in cast("list[Json]", content))
    return str(content or "")


def _tokens(text: str) -> int:
    return max(1, len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


__all__ = ["MODEL", "ScriptedModel", "cue", "item_of"]
