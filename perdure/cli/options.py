"""The options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's business id.", show_default=False)]
Tenant = Annotated[str, typer.Option("--tenant", envvar="PERDURE_TENANT", help="The tenant whose run it is.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
RunId = Annotated[
    str | None,
    typer.Option("--id", metavar="RUN", help="Your own name for the run; the same request again finds the same run."),
]
Tier = Annotated[str | None, typer.Option("--tier", help="The tier of models to use instead of the spec's own.")]
Dollars = Annotated[
    str | None, typer.Option("--dollars", metavar="AMOUNT", help="The most that the run may cost: 0.05.")
]
Steps = Annotated[int | None, typer.Option("--steps", help="The most paid model calls of the run.")]
ToolCalls = Annotated[int | None, typer.Option("--tool-calls", help="The most tool calls of the run.")]
Until = Annotated[str | None, typer.Option("--until", metavar="MOMENT", help="No paid call starts after this moment.")]
Detach = Annotated[bool, typer.Option("--detach", help="Only start the run, and print its id.")]
Within = Annotated[
    str | None,
    typer.Option("--within", metavar="TIME", help="The longest time to wait: 90s, 15m. The run goes on after it."),
]
Patience = Annotated[
    str | None,
    typer.Option(
        "--patience",
        metavar="TIME",
        help="How long after its start the run waits for a service that is away (15m); then it fails.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result, no steps.")]

Step = Annotated[
    str | None,
    typer.Argument(
        metavar="[STEP]", help="The step that waits; may be left out where only one waits.", show_default=False
    ),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="The name to act under (default: your user name).")
]
StartedBy = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who starts the run, and so may not decide about its calls (default: your user name).",
    ),
]
Requires = Annotated[
    list[str] | None,
    typer.Option(
        "--requires",
        metavar="TOOL",
        help="A tool of which the task needs a write: a run that ends without it is unfinished. May be repeated.",
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="WORDS", help="The reason; for a denial the model is shown it.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Digest = Annotated[
    str | None,
    typer.Option(
        "--digest",
        metavar="DIGEST",
        help="The digest that you saw, or its first 12 characters. If the step has another by now, nothing is done.",
    ),
]
Credential = Annotated[
    Path | None,
    typer.Option("--credential", metavar="FILE", help="A file with the signed credential of the person who decides."),
]
DecisionId = Annotated[
    str | None,
    typer.Option("--decision-id", metavar="ID", help="Your own id for the decision: sent twice, it counts once."),
]
Claims = Annotated[
    bool, typer.Option("--claims", help="Send no decision: print the claims that a credential for it has to sign.")
]
