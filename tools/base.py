"""What a tool is: a function with typed arguments, and a word for what it does to the world."""

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.contracts.contract import BadInput, explain
from perdure.contracts.tools import ToolEffect


class ToolArguments(BaseModel):
    """The base of a tool's arguments. Unknown arguments are errors; each field's docstring is shown to the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class ToolContext:
    """Who asks, and under which key. An effect that calls a tool supplies it; no tool reads it from elsewhere."""

    tenant: str
    run: str
    step: str
    key: str
    """The same for every retry of one call: what an idempotent tool passes on."""


__all__ = ["Tool", "ToolArguments", "ToolContext", "ToolEffect", "tool"]

Arguments = TypeVar("Arguments", bound=ToolArguments)


@dataclass(frozen=True)
class Tool(Generic[Arguments]):
    """One tool: its name and description as the model sees them, its arguments, its effect, and its code."""

    name: str
    description: str
    effect: ToolEffect
    arguments: type[Arguments]
    call: Callable[[ToolContext, Arguments], Awaitable[str]]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    @property
    def digest(self) -> str:
        """SHA-256 of what a run pins: name, description, effect and schema. It changes when the tool does."""
        pinned = [self.name, self.description, self.effect.value, self.schema]
        return hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()

    async def use(self, context: ToolContext, arguments: dict[str, Any]) -> str:
        """Validate the arguments and call the tool. Raises `BadInput` with one line for each thing that is wrong."""
        try:
            given = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise BadInput(f"{self.name}: {explain(error)}") from None
        return await self.call(context, given)


def tool(
    effect: ToolEffect,
) -> Callable[[Callable[[ToolContext, Arguments], Awaitable[str]]], Tool[Arguments]]:
    """Make a tool of an async function `(context, arguments) -> str`.

    Its name is the tool's name, its docstring the description, and the type of its second parameter the arguments.
    Raises `TypeError` where one of them is missing.
    """

    def make(function: Callable[[ToolContext, Arguments], Awaitable[str]]) -> Tool[Arguments]:
        name = getattr(function, "__name__", repr(function))
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters)
        arguments: Any = hints.get(parameters[1]) if len(parameters) > 1 else None
        if not (isinstance(arguments, type) and issubclass(arguments, ToolArguments)):
            raise TypeError(f"tool {name!r}: annotate its second parameter with a subclass of ToolArguments")
        if not function.__doc__:
            raise TypeError(f"tool {name!r}: write a docstring, it is what the model reads")
        typed = cast("type[Arguments]", arguments)
        return Tool(name, inspect.cleandoc(function.__doc__), effect, typed, function)

    return make
