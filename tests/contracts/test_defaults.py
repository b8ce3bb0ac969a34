"""Payloads leave out fields that hold their default, so a default of a contract never changes."""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic_core import to_jsonable_python

import perdure.contracts
from perdure.contracts.agents.steps import Acted, Again, CallAnswered, Think
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Contract, Variant
from perdure.contracts.runs.control import Held, Pause, Resume
from perdure.contracts.runs.run import RunRequest, RunResult
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import DecisionReply, Pending, StepDecision
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from workflows.effects import EFFECTS

RECORDED = Path(__file__).with_name("defaults.json")
"""The defaults that payloads have ever left out. Lines are added; none is changed or removed."""

THINK = Think(
    key=StepKey(tenant="acme", workflow_id="acme:1", run_id="1", step="think-1"),
    attempt=1,
    deployment=Deployment(
        name="small", tier="fast", task_queue="q", context_window=1000, prices=Prices(input=1, output=1)
    ).priced,
    pinned=Text.of("{}").reference(),
    transcript=Transcript().add(Turn(role=Role.USER, body=Text.of("Hello."))),
    worst=Spend(steps=1, input_tokens=5),
)
ACTED = Acted(
    came=CallAnswered(
        outcome=ToolOutcome(
            tool="read", ended=ToolEnded.RETURNED, happened=Happened.NO, result=Text.of("A note."), size=7
        )
    ),
    charges={1: Spend(tool_calls=1)},
)


def written(value: Contract) -> bytes:
    """Return the JSON of a value's payload."""
    return data_converter.payload_converter.to_payload(value).data


@pytest.mark.parametrize("value", [THINK, ACTED, Acted(came=Again(reason=""))], ids=["think", "acted", "again"])
def test_a_payload_without_its_defaults_reads_as_what_was_written(value: Contract) -> None:
    lean = written(value)
    assert type(value).model_validate_json(lean) == value
    assert len(lean) < len(value.model_dump_json())
    for needless in (b"null", b"[]", b'":0'):
        assert needless not in lean


def test_the_kind_of_a_contract_is_always_written() -> None:
    assert b'"kind":"answered"' in written(ACTED)
    told_apart = [model for model in contracts(Contract) if len(get_args(kind_of(model))) == 1]
    assert {CallAnswered, Again} <= set(told_apart)
    assert not [model.__name__ for model in told_apart if not issubclass(model, Variant)]


@pytest.mark.parametrize("contract", [RunRequest, RunResult, StepDecision, DecisionReply, Pending, Pause, Resume, Held])
def test_what_people_and_other_clients_read_is_spelled_out(contract: type[Contract]) -> None:
    assert contract.spelled_out
    assert json.loads(written(RunResult.model_construct())).keys() >= {"verdicts", "spent", "timings"}


def test_no_default_has_changed() -> None:
    recorded: dict[str, dict[str, Any]] = json.loads(RECORDED.read_text())
    now = defaults()
    for contract, fields in recorded.items():
        current = now.get(contract, {})
        assert {field: current.get(field, "gone") for field in fields} == fields, contract
    assert now == recorded, f"new defaults: write defaults() into {RECORDED.name}"


def test_every_effect_is_asked_and_replies_with_such_a_contract() -> None:
    for effect in EFFECTS:
        assert not effect.ask.spelled_out
        assert not effect.reply.spelled_out


def contracts(root: type[Contract]) -> list[type[Contract]]:
    """Return every contract."""
    for module in pkgutil.walk_packages(perdure.contracts.__path__, "perdure.contracts."):
        importlib.import_module(module.name)
    models = [model for child in root.__subclasses__() for model in (child, *contracts(child))]
    return [model for model in models if model.__module__.startswith("perdure.contracts.")]


def kind_of(model: type[Contract]) -> Any:
    """Return the type of a contract's `kind`: one value for a shape among several."""
    return model.model_fields["kind"].annotation if "kind" in model.model_fields else None


def defaults_of(model: type[Contract]) -> dict[str, Any]:
    """Return a contract's defaults, as JSON, by field."""
    values = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in model.model_fields.items()
        if not field.is_required()
    }
    return {name: to_jsonable_python(value) for name, value in sorted(values.items())}


def defaults() -> dict[str, dict[str, Any]]:
    """Return the defaults of every contract that has some."""
    by_name = {
        model.__module__.removeprefix("perdure.contracts.") + "." + model.__qualname__: defaults_of(model)
        for model in contracts(Contract)
    }
    return {name: fields for name, fields in sorted(by_name.items()) if fields}
