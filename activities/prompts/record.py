"""Builds the exact prompt that lets a model read a document, from a request and the bodies that it names."""

import json

from activities.bodies import texts
from activities.ports import BlobStore, Message, Prompt
from activities.text.records import kept, offered
from activities.text.structured_reply import shown_again
from agents.extraction_prompt import ask_again, document_lines, frame, reply_schema
from perdure.contracts.chains.steps import Extract


async def prompt_of(ask: Extract, blobs: BlobStore) -> Prompt:
    """Build the prompt of a request, always the same for the same request. Raises `BodyMissing` or `BodyCorrupt`."""
    spec, repair = ask.spec, ask.repair
    wanted = [spec.instructions, ask.document, *([] if repair is None else [repair.said])]
    instructions, body, *replies = await texts.read_all(blobs, ask.key.tenant, wanted)
    messages = [Message(message["role"], message["content"]) for message in json.loads(instructions)]
    messages.append(Message("user", frame(body)))
    right: dict[str, tuple[int, str]] = {}
    if repair is not None:
        messages.append(Message("assistant", shown_again(replies[0])))
        messages.append(Message("user", ask_again(list(map(str, repair.problems)))))
        # A small model that repairs one value may break another that was right.
        right = kept(spec, body, replies[0], repair.problems)
    lines = len(document_lines(body))
    return Prompt(messages, schema=reply_schema(spec.fields, lines, offered(spec.fields, body), right))
