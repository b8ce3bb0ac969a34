"""Defines a tool: a function with typed arguments, and its effect on the world."""

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.contracts.contract import BadInput, explain
from perdure.contracts.tool_calls.tools import AllowedHosts, Approval, Constraint, ToolEffect, ToolSpec
from tools.constraints import Constrained, allowed_value, constrained, require_fitting
from tools.evidence import CannotTellYet, DidHappen, Evidence, NeverWill
from tools.world import Document, Extract, Http, Knowledge, NoHttp, NoKnowledge, Page

__all__ = [
    "Approval",
    "CannotTellYet",
    "Constrained",
    "DidHappen",
    "Document",
    "Evidence",
    "Extract",
    "Http",
    "Knowledge",
    "NeverWill",
    "Page",
    "Tool",
    "ToolArguments",
    "ToolContext",
    "ToolEffect",
    "tool",
]

TIMEOUT = timedelta(seconds=30)
"""The default timeout of one call."""

EXACT = 2**53
"""The number below which every whole number is a float of its own."""


class ToolArguments(BaseModel):
    """The base of a tool's arguments. Unknown arguments are errors; each field's docstring is shown to the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass(frozen=True)
class ToolContext:
    """The context of one call: its caller, its key, and its access to the world; made by the effect that calls it."""

    tenant: str
    run: str
    step: str
    key: str
    """The idempotency key, the same for every retry of one call: an idempotent tool passes it on."""
    knowledge: Knowledge = field(default_factory=NoKnowledge)
    """The documents that the agent may search."""
    http: Http = field(default_factory=NoHttp)
    """Public pages, and the services that the operator named."""
    constraints: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])
    """The constraints of the agent's grant, by argument; `Tool.use` sets them."""
    attempt: int = 1
    """The number of this attempt; later attempts have higher numbers. For `reconcile`, the last attempt whose outcome
    is unknown: its evidence is about this attempt and all before it."""

    def hosts(self, argument: str) -> AllowedHosts:
        """Return the hosts that the grant allows for an argument. Raises `BadInput` where it allows none."""
        allowed = self.constraints.get(argument)
        if not isinstance(allowed, AllowedHosts):
            raise BadInput(f"{argument}: no host is allowed: grant the tool with a constraint of the kind 'hosts'")
        return allowed


Arguments = TypeVar("Arguments", bound=ToolArguments)

Reconcile = Callable[[ToolContext], Awaitable[Evidence]]
"""A function that finds out whether the call with the context's key happened, up to the context's attempt.

It changes nothing, except that it may make the other side refuse these attempts from now on. A `ToolError` from it
counts as `CannotTellYet`.
"""


@dataclass(frozen=True)
class Tool(Generic[Arguments]):
    """One tool: its name and description as the model sees them, its arguments, its effect, and its code."""

    name: str
    description: str
    effect: ToolEffect
    arguments: type[Arguments]
    call: Callable[[ToolContext, Arguments], Awaitable[str]]
    timeout: timedelta = TIMEOUT
    price: int = 0
    """The most that one call costs, in micro-dollars."""
    approval: Approval = Approval.NEVER
    asks: bool = False
    """Whether a call is a question to a person: its answer is the result, and the code is never called."""
    quick: bool = False
    """Whether a call takes less than 50 ms and waits for nothing outside of its process."""
    reconcile: Reconcile | None = None
    """The function that finds out whether a call of unknown outcome happened; None where only a person can."""
    settles_within: timedelta | None = None
    """How long a call may still happen after its attempt began: a `NeverWill` counts only after this time.

    None for a little more than twice the timeout: the attempt may send its call until the timeout, and the other side
    may take as long again. Zero where `reconcile` makes the other side refuse late calls. Runs do not pin it, nor
    `reconcile`.
    """
    constrained: Mapping[str, Constrained] = field(default_factory=dict[str, Constrained])
    """The arguments that take a constraint."""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what a run pins: name, description, effect, schema, and which arguments take a constraint."""
        pinned: list[Any] = [self.name, self.description, self.effect.value, self.schema]
        if self.constrained:
            pinned.append({name: [mark.kind.__name__, mark.required] for name, mark in self.constrained.items()})
        return hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()

    def spec(self, constraints: Mapping[str, Constraint] | None = None) -> ToolSpec:
        """Return the tool as an agent is granted it, for a run to pin.

        Raises `BadInput` for a constraint that does not fit, and for an argument that needs one and has none.
        """
        granted = dict(constraints or {})
        require_fitting(self.name, self.constrained, granted)
        return ToolSpec(
            name=self.name,
            digest=self.digest,
            description=self.description,
            parameters=self.schema,
            effect=self.effect,
            timeout=self.timeout,
            price=self.price,
            approval=self.approval,
            asks=self.asks,
            quick=self.quick,
            constraints=granted,
        )

    def checked(self, arguments: Mapping[str, Any], constraints: Mapping[str, Constraint] | None = None) -> Arguments:
        """Return the arguments in their plain form. Raises `BadInput` with one line about everything that is wrong.

        They are read as strictly as their JSON schema: `true` and `"5"` are no numbers, and 5.0 is a whole one.
        """
        granted = dict(constraints or {})
        require_fitting(self.name, self.constrained, granted)
        try:
            text = json.dumps(_with_whole_numbers(dict(arguments)), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"{self.name}: the arguments are no JSON: {error}") from None
        try:
            parsed = self.arguments.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise BadInput(f"{self.name}: {explain(error)}") from None
        plain = {
            name: allowed_value(f"{self.name}: {name}", granted.get(name), mark.kind, getattr(parsed, name))
            for name, mark in self.constrained.items()
        }
        return parsed.model_copy(update=plain)

    async def use(
        self,
        context: ToolContext,
        arguments: Mapping[str, Any],
        constraints: Mapping[str, Constraint] | None = None,
    ) -> str:
        """Check the arguments against schema and constraints, and only then call the tool.

        Raises `BadInput` for bad arguments, the tool's own `ToolError`, and any other error of its code.
        """
        plain = self.checked(arguments, constraints)
        return await self.call(replace(context, constraints=dict(constraints or {})), plain)


def _with_whole_numbers(value: Any) -> Any:
    """Return a JSON value with 5 for 5.0: to a JSON schema both are integers."""
    match value:
        case dict():
            return {name: _with_whole_numbers(one) for name, one in cast("dict[str, Any]", value).items()}
        case list():
            return [_with_whole_numbers(one) for one in cast("list[Any]", value)]
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
        case _:
            return value


def tool(
    effect: ToolEffect,
    *,
    timeout: timedelta = TIMEOUT,
    price: int = 0,
    approval: Approval = Approval.NEVER,
    asks: bool = False,
    quick: bool = False,
    reconcile: Reconcile | None = None,
    settles_within: timedelta | None = None,
) -> Callable[[Callable[[ToolContext, Arguments], Awaitable[str]]], Tool[Arguments]]:
    """Make a tool of an async function `(context, arguments) -> str`.

    Its name is the tool's name, its docstring the description, and the type of its second parameter the arguments.
    `price` is in micro-dollars. With `Approval.ALWAYS` each call waits for a person. `quick` is for a tool that only
    reads, takes less than 50 ms and waits for nothing outside of its process: it may run within a workflow's own task.
    `settles_within` is how long a call may still happen after its attempt began, for `reconcile`.
    Raises `TypeError` where the function cannot be a tool.
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
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"tool {name!r}: make it an async function: nothing else can be stopped in time")
        if timeout <= timedelta(0) or price < 0:
            raise TypeError(f"tool {name!r}: give it a timeout above 0 and a price from 0 up")
        if quick and (effect is not ToolEffect.READ_ONLY or price):
            raise TypeError(f"tool {name!r}: only what changes nothing and costs nothing may be quick")
        if reconcile is not None and effect is ToolEffect.READ_ONLY:
            raise TypeError(f"tool {name!r}: it changes nothing, so there is nothing to reconcile")
        if settles_within is not None and (reconcile is None or settles_within < timedelta(0)):
            raise TypeError(f"tool {name!r}: settles_within is for what has a reconcile, and is 0 or more")
        typed = cast("type[Arguments]", arguments)
        return Tool(
            name=name,
            description=inspect.cleandoc(function.__doc__),
            effect=effect,
            arguments=typed,
            call=function,
            timeout=timeout,
            price=price,
            approval=approval,
            asks=asks,
            quick=quick,
            reconcile=reconcile,
            settles_within=settles_within,
            constrained=constrained(typed),
        )

    return make
