"""Runs the evals: `python -m evals golden | agents | extraction | guards | injection-honest | ...`."""

import sys
from collections.abc import Callable

from deploy.prompts import show_prompt
from evals import agents, extraction, golden, guards
from evals.injection import false_alarms, train

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "golden": golden.main,
    "agents": agents.main,
    "extraction": extraction.main,
    "guards": guards.main,
    "show-prompt": show_prompt.main,
    "injection-honest": false_alarms.main,
    "train-injection": train.main,
}

if __name__ == "__main__":
    name, *rest = sys.argv[1:] or [""]
    if name not in COMMANDS:
        sys.exit(f"evals: there is no {name!r}: the commands are {', '.join(COMMANDS)}")
    sys.exit(COMMANDS[name](rest))
