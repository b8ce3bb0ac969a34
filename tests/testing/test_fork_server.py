"""Whatever a worker imports when its roles are made is imported before workers are forked from one process."""

import pkgutil

import activities.effects
import workflows
from deploy.testing.fork_server import AFTER, modules_before


def test_every_effect_and_workflow_is_imported_before_the_fork() -> None:
    effects = {module.name for module in pkgutil.iter_modules(activities.effects.__path__, "activities.effects.")}
    chains = {f"workflows.{name}" for name in ("agent", "chain", "extraction", "plugin")}
    assert effects | chains <= set(modules_before())
    assert {"workflows.agent"} <= {module.name for module in pkgutil.iter_modules(workflows.__path__, "workflows.")}


def test_what_roles_import_inside_of_functions_is_found_too() -> None:
    assert {
        "activities.adapters.models.litellm_model",
        "activities.adapters.guards.injection.classifier",
        "activities.adapters.tool_contexts",
    } <= set(modules_before())


def test_neither_what_starts_threads_nor_the_clients_of_servers_is_imported() -> None:
    assert not {*AFTER, "activities.adapters.shared.redis_client"} & set(modules_before())
