"""Defines the keys of an agent's TOML file, and parses a file and the known tools into an `AgentSpec`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, Protocol

from pydantic import Field

from agents import summary
from agents.fence import fenced
from agents.spec_file import BadSpec, GuardFile, Table, guards, read_toml, validated
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.compaction import Compaction
from perdure.contracts.contract import BadInput, Name
from perdure.contracts.guards import GuardAction
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.tools import Approval, Constraint, ToolEffect, ToolSpec

SCREENED_FOR = (GuardFile(guard="injection", action=GuardAction.FLAG), GuardFile(guard="secrets_present"))
"""The guards over tool results where the file names none: the tool boundary runs the same ones by itself."""


class Grantable(Protocol):
    """The part of a tool that a grant needs. `tools.base.Tool` fits it."""

    def spec(self, constraints: Mapping[str, Constraint] | None = None) -> ToolSpec:
        """Return the tool as it is granted. Raises `BadInput` for a constraint that does not fit or is missing."""
        ...

    def checked(self, arguments: Mapping[str, Any], constraints: Mapping[str, Constraint] | None = None) -> object:
        """Return the arguments in their plain form. Raises `BadInput` for arguments that no call may have."""
        ...


class GrantFile(Table):
    """One tool that the agent may call."""

    constraints: dict[str, Constraint] = Field(default_factory=dict[str, Constraint])
    approval: Approval | None = None
    """Whether a call waits for a person; None for the tool's own rule."""
    after: list[str] = Field(default_factory=list[str])
    """The granted tools that must have returned in an earlier turn."""
    policy: ApprovalPolicy | None = None
    """The policy about who decides on its calls; None for the policy's own defaults. Times are in seconds."""


class CallFile(Table):
    """One call of a worked example, and its result."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    result: str


class ExampleFile(Table):
    """One worked example: a task, its calls in order, and the answer."""

    task: str = Field(min_length=1)
    calls: list[CallFile] = Field(default_factory=list[CallFile])
    answer: str = Field(min_length=1)


class CompactionFile(Table):
    """The compaction of a long conversation: when its older turns are summed up, and how."""

    at: float = Field(default=0.8, ge=0.1, le=1.0)
    """The share of the model's window that prompt and reply may fill before turns are summed up."""
    tokens: int = Field(default=400, ge=16, le=16_384)
    """The largest summary, in tokens."""
    instructions: str = Field(default=summary.INSTRUCTIONS, pattern=r"\S")


class AgentFile(Table):
    """An agent's TOML file."""

    kind: Literal["agent"]
    system: str = Field(min_length=1)
    tier: Name = "fast"
    collection: Name | None = None
    max_output_tokens: int = Field(default=300, ge=1)
    attempts: int = Field(default=3, ge=1, le=10)
    tool_attempts: int = Field(default=5, ge=1, le=20)
    wait: float = Field(default=1.0, ge=0, le=60)
    result_bytes: int = Field(default=16 * 1024, ge=1)
    tools: dict[str, GrantFile] = Field(default_factory=dict[str, GrantFile])
    begins_with: str | None = None
    """The granted tool that the first thought must call; None for the model's own choice."""
    examples: list[ExampleFile] = Field(default_factory=list[ExampleFile])
    compaction: CompactionFile = CompactionFile()
    screen: list[GuardFile] = Field(default_factory=list[GuardFile])
    arguments: list[GuardFile] = Field(default_factory=list[GuardFile])
    results: list[GuardFile] = Field(default=list(SCREENED_FOR))
    check: list[GuardFile] = Field(default_factory=list[GuardFile])


def parse_agent(name: str, data: bytes, tools: Mapping[str, Grantable], where: str | None = None) -> AgentSpec:
    """Parse an agent from the bytes of its TOML file. Raises `BadSpec` with file (`where`), key and remedy."""
    where = where or f"agents/{name}.toml"
    file = validated(where, AgentFile, read_toml(where, data))
    granted = tuple(_granted_tool(where, tool, grant, tools) for tool, grant in file.tools.items())
    _check_order(where, file)
    return AgentSpec(
        name=name,
        digest=hashlib.sha256(data).hexdigest(),
        tier=file.tier,
        instructions=Text.of(_instructions(where, file, tools)),
        collection=file.collection,
        tools=granted,
        begins_with=file.begins_with,
        screen=guards(file.screen),
        arguments=guards(file.arguments),
        results=guards(file.results),
        check=guards(file.check),
        result_bytes=file.result_bytes,
        max_output_tokens=file.max_output_tokens,
        attempts=file.attempts,
        tool_attempts=file.tool_attempts,
        wait=timedelta(seconds=file.wait),
        compaction=Compaction(
            at=file.compaction.at,
            tokens=file.compaction.tokens,
            instructions=Text.of(file.compaction.instructions.strip()),
        ),
    )


def _granted_tool(where: str, name: str, grant: GrantFile, tools: Mapping[str, Grantable]) -> ToolSpec:
    tool = tools.get(name)
    if tool is None:
        known = ", ".join(tools) or "none"
        raise BadSpec(f"{where}: tools: there is no tool {name!r}: the tools are {known}")
    try:
        spec = tool.spec(grant.constraints)
    except BadInput as error:
        raise BadSpec(f"{where}: tools.{name}.constraints: {error}") from None
    if spec.approval is Approval.ALWAYS and grant.approval is Approval.NEVER:
        raise BadSpec(
            f"{where}: tools.{name}.approval: 'never' is less than the tool itself asks for, which is 'always': "
            "leave the key out"
        )
    approval = grant.approval or spec.approval
    spec = spec.model_copy(update={"approval": approval, "policy": grant.policy, "after": tuple(grant.after)})
    needs_person = spec.asks or spec.approval is Approval.ALWAYS or spec.effect is not ToolEffect.READ_ONLY
    if spec.policy is not None and not needs_person:
        raise BadSpec(f'{where}: tools.{name}.policy: nobody decides about its calls: write approval = "always" too')
    return spec


def _check_order(where: str, file: AgentFile) -> None:
    """Raise `BadSpec` unless every tool can be called: tools named in `after` are granted, and form no circle."""
    if file.begins_with is not None:
        _check_granted(f"{where}: begins_with", file.begins_with, file)
        if file.tools[file.begins_with].after:
            raise BadSpec(
                f"{where}: begins_with: {file.begins_with!r} is granted after others: begin with one that is not"
            )
    orders = TopologicalSorter[str]()
    for name, grant in file.tools.items():
        for number, earlier in enumerate(grant.after, start=1):
            _check_granted(f"{where}: tools.{name}.after.{number}", earlier, file)
        orders.add(name, *grant.after)
    try:
        orders.prepare()
    except CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        raise BadSpec(f"{where}: tools: {circle}: none of them could ever be called: leave one `after` out") from None


def _instructions(where: str, file: AgentFile, tools: Mapping[str, Grantable]) -> str:
    """Return the fixed beginning of every prompt as JSON messages: the system message, then the worked examples."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": file.system.strip()}]
    for number, example in enumerate(file.examples, start=1):
        messages.append({"role": "user", "content": example.task.strip()})
        for step, call in enumerate(example.calls, start=1):
            call_id = f"example-{number}-{step}"
            _check_turn(f"{where}: examples.{number}.calls.{step}", call, example.calls[: step - 1], file)
            arguments = _call_arguments(f"{where}: examples.{number}.calls.{step}", call, file, tools)
            tool_call = {"id": call_id, "name": call.tool, "arguments": arguments}
            messages.append({"role": "assistant", "content": "", "tool_calls": [tool_call]})
            # Fenced as in a run: with bare results, a small model used facts of an example in its own answer.
            result = fenced(call.tool, call.result.strip(), seed=call_id)
            messages.append({"role": "tool", "content": result, "tool_call_id": call_id})
        messages.append({"role": "assistant", "content": example.answer.strip()})
    return json.dumps(messages, ensure_ascii=False)


def _check_granted(where: str, tool: str, file: AgentFile) -> None:
    """Raise `BadSpec` for a tool that the file does not grant."""
    if tool not in file.tools:
        known = ", ".join(file.tools) or "none"
        raise BadSpec(f"{where}: {tool!r} is not granted: grant it in [tools], or name one of {known}")


def _check_turn(where: str, call: CallFile, before: Sequence[CallFile], file: AgentFile) -> None:
    """Raise `BadSpec` for an example call that comes too early: it would teach calls that every run refuses."""
    if not before and file.begins_with not in (None, call.tool):
        raise BadSpec(f"{where}: the agent begins with {file.begins_with}: let the example begin with it too")
    grant = file.tools.get(call.tool)
    earlier = {previous.tool for previous in before}
    missing = [] if grant is None else [name for name in grant.after if name not in earlier]
    if missing:
        raise BadSpec(
            f"{where}: {call.tool} is granted after {', '.join(missing)}, which the example does not call before it: "
            "put that call first"
        )


def _call_arguments(where: str, call: CallFile, file: AgentFile, tools: Mapping[str, Grantable]) -> str:
    """Return an example call's arguments as JSON. Raises `BadSpec` where a run could not make it: it would mislead."""
    if call.tool not in file.tools:
        known = ", ".join(file.tools) or "none"
        raise BadSpec(f"{where}.tool: {call.tool!r} is not granted: grant it in [tools], or call one of {known}")
    try:
        tools[call.tool].checked(call.arguments, file.tools[call.tool].constraints)
        return json.dumps(call.arguments, ensure_ascii=False, allow_nan=False)
    except BadInput as error:
        raise BadSpec(f"{where}.arguments: {error}") from None
    except (TypeError, ValueError) as error:
        raise BadSpec(f"{where}.arguments: they cannot be written as JSON ({error}): use text and numbers") from None
