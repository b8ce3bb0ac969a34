"""The exact prompt that has a model read a document, from the request and the bodies that it names."""

import json

from activities.bodies import texts
from activities.ports import BlobStore, Message, Prompt
from activities.text.records import kept, offered
from agents.extraction_prompt import ask_again, document_lines, frame, reply_schema
from perdure.contracts.chains.steps import Extract


async def prompt_of(ask: Extract, blobs: BlobStore) -> Prompt:
    """The same prompt for the same request, whenever it is asked for. Raises `BodyMissing` or `BodyCorrupt`."""
    spec, repair = ask.spec, ask.repair
    wanted = [spec.instructions, ask.document, *([] if repair is None else [repair.said])]
    instructions, body, *said = await texts.read_all(blobs, ask.key.tenant, wanted)
    messages = [Message(message["role"], message["content"]) for message in json.loads(instructions)]
    messages.append(Message("user", frame(body)))
    right: dict[str, tuple[int, str]] = {}
    if repair is not None:
        messages.append(Message("assistant", said[0]))
        messages.append(Message("user", ask_again(list(map(str, repair.problems)))))
        # A small model loses what was right while it mends what was wrong.
        right = kept(spec, body, said[0], repair.problems)
    lines = len(document_lines(body))
    return Prompt(messages, schema=reply_schema(spec.fields, lines, offered(spec.fields, body), right))
