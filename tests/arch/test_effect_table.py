"""The effect table is complete: one implementation for each row, and every row says how it runs."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from temporalio import activity

import activities.effects
from activities.settings import ROOT
from workflows.effects import EFFECTS, Effect, RunsAs

Method = Callable[..., Any]


def implementations() -> list[tuple[str, str, Method]]:
    """Every activity of the platform: the effect's name, its module and the method."""
    found: list[tuple[str, str, Method]] = []
    for module in pkgutil.walk_packages(activities.effects.__path__, "activities.effects."):
        for _, owner in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            for _, method in inspect.getmembers(owner, inspect.isfunction):
                definition = getattr(method, "__temporal_activity_definition", None)
                if isinstance(definition, activity._Definition) and owner.__module__ == module.name:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Temporal keeps it nowhere else
                    found.append((str(definition.name), module.name, method))
    return found


IMPLEMENTATIONS = implementations()

each_effect = pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.name)


def test_every_effect_has_exactly_one_implementation() -> None:
    assert sorted(name for name, _, _ in IMPLEMENTATIONS) == sorted(effect.name for effect in EFFECTS)


@each_effect
def test_an_implementation_has_the_rows_types(effect: Effect[Any, Any]) -> None:
    (method,) = [method for name, _, method in IMPLEMENTATIONS if name == effect.name]
    hints = get_type_hints(method)
    assert hints.pop("return") is effect.reply
    assert list(hints.values()) == [effect.ask]


@each_effect
def test_an_implementation_is_named_like_its_effect(effect: Effect[Any, Any]) -> None:
    (method,) = [method for name, _, method in IMPLEMENTATIONS if name == effect.name]
    assert method.__name__ == effect.name


@each_effect
def test_exactly_the_paid_effects_run_once(effect: Effect[Any, Any]) -> None:
    assert (effect.retry_policy.maximum_attempts == 1) == effect.paid


@each_effect
def test_no_effect_is_retried_for_ever(effect: Effect[Any, Any]) -> None:
    assert effect.retry_policy.maximum_attempts >= 1, "zero means without end"


@each_effect
def test_a_remote_effect_says_how_long_it_may_wait_run_and_be_silent(effect: Effect[Any, Any]) -> None:
    if effect.runs_as is RunsAs.ACTIVITY:
        assert effect.start_to_close_timeout
        assert effect.schedule_to_start_timeout
        assert effect.heartbeat_timeout
        assert effect.heartbeat_timeout < effect.start_to_close_timeout


@each_effect
def test_what_is_paid_is_never_local(effect: Effect[Any, Any]) -> None:
    assert not (effect.paid and effect.runs_as is RunsAs.LOCAL_ACTIVITY)


@each_effect
def test_an_effect_says_what_it_does_to_the_world(effect: Effect[Any, Any]) -> None:
    assert effect.world


def test_the_import_contracts_keep_every_activity_apart() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (apart,) = [contract for contract in contracts if contract["type"] == "independence"]
    (adapters,) = [contract for contract in contracts if contract["name"].startswith("activities.adapters fill")]
    assert apart["modules"] == [f"{activities.effects.__name__}.*"]
    assert activities.effects.__name__ in adapters["forbidden_modules"]


def test_no_effect_is_implemented_in_another_room() -> None:
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "activities").rglob("*.py")
        if path.parent.name != "effects" and re.search(r"^ +@[A-Z_]+\.activity$", path.read_text(), re.MULTILINE)
    ]
    assert elsewhere == []
    assert {module for _, module, _ in IMPLEMENTATIONS} == {
        f"activities.effects.{path.stem}" for path in (ROOT / "activities" / "effects").glob("[a-z]*.py")
    }
