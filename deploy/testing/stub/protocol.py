"""Checks the conversation in a request as strictly as model servers do, which parse the history that they are sent.

SGLang, vLLM and llama.cpp parse the arguments of past calls to fill a chat template, and answer 400 where that fails.
OpenAI and Anthropic also check names, ids, and that each call has its result.
"""

import json
import re
from typing import Any, NoReturn, cast

Json = dict[str, Any]

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The form of a tool's name."""

ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})


class Invalid(ValueError):
    """A conversation that a server refuses. The message says where and why."""


def objection(request: Json) -> str | None:
    """Return why a server would refuse the conversation in a request, in one line; None where it takes it."""
    try:
        require_valid(request)
    except Invalid as mistake:
        return str(mistake)
    return None


def require_valid(request: Json) -> None:
    """Raise `Invalid` for a conversation that a server refuses."""
    messages = cast("list[Any]", request["messages"])
    if not messages:
        raise Invalid("messages: there are none")
    known, unanswered = set[str](), set[str]()
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if not isinstance(message, dict) or cast("Json", message).get("role") not in ROLES:
            raise Invalid(f"{where}: has no known role")
        entry = cast("Json", message)
        _require_content(where, entry)
        if entry["role"] == "tool":
            if entry.get("tool_call_id") not in unanswered:
                raise Invalid(f"{where}.tool_call_id: {entry.get('tool_call_id')!r} answers no open call")
            unanswered.discard(str(entry["tool_call_id"]))
            continue
        if unanswered:
            raise Invalid(f"{where}: the calls {', '.join(sorted(unanswered))} have no result")
        if entry["role"] == "assistant" and "tool_calls" in entry:
            unanswered = _calls(where, entry["tool_calls"], known)
            known |= unanswered
    if unanswered:
        raise Invalid(f"the calls {', '.join(sorted(unanswered))} have no result")


def _require_content(where: str, message: Json) -> None:
    """Raise `Invalid` for a content that is missing or blank without a call, or that no server can encode."""
    content: Any = message.get("content")
    parts: list[Any] = cast("list[Any]", content) if isinstance(content, list) else [{"text": content}]
    texts = [cast("Json", part).get("text") if isinstance(part, dict) else part for part in parts]
    if any(text is not None and not isinstance(text, str) for text in texts):
        raise Invalid(f"{where}.content: is no text")
    text = "".join(filter(None, texts))
    if not text.strip() and not message.get("tool_calls"):
        raise Invalid(f"{where}.content: is empty")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Invalid(f"{where}.content: holds NUL, or half of a character")


def _calls(where: str, calls: Any, known: set[str]) -> set[str]:
    """Return the ids of a message's calls. Raises `Invalid`."""
    if not isinstance(calls, list) or not calls:
        raise Invalid(f"{where}.tool_calls: is no list of calls")
    ids = set[str]()
    for number, call in enumerate(cast("list[Json]", calls)):
        at = f"{where}.tool_calls.{number}"
        call_id, function = call.get("id"), cast("Json", call.get("function") or {})
        if not isinstance(call_id, str) or not call_id or call_id in known | ids:
            raise Invalid(f"{at}.id: {call_id!r} is no new id")
        ids.add(call_id)
        if call.get("type") != "function" or not NAME.fullmatch(str(function.get("name") or "")):
            raise Invalid(f"{at}.function.name: {function.get('name')!a} is no name")
        _require_object(f"{at}.function.arguments", function.get("arguments"))
    return ids


def _require_object(where: str, arguments: Any) -> None:
    """Raise `Invalid` for arguments that are not the text of a JSON object."""
    try:
        value: Any = json.loads(arguments, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"{where}: {error}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{where}: is no JSON object")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
