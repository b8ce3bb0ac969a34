"""The options that several commands share, each explained once."""

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's business id.", show_default=False)]
Tenant = Annotated[str, typer.Option("--tenant", envvar="PERDURE_TENANT", help="Whose run it is.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
RunId = Annotated[
    str | None, typer.Option("--id", metavar="RUN", help="Your own name for the run; asking again finds the same run.")
]
Tier = Annotated[str | None, typer.Option("--tier", help="A tier of models in the place of the agent's own.")]
Dollars = Annotated[str | None, typer.Option("--dollars", metavar="AMOUNT", help="What it may cost at most: 0.05.")]
Steps = Annotated[int | None, typer.Option("--steps", help="How many paid calls of models it may make at most.")]
ToolCalls = Annotated[int | None, typer.Option("--tool-calls", help="How many calls of tools it may make at most.")]
Until = Annotated[str | None, typer.Option("--until", metavar="MOMENT", help="No paid call starts after it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Only start it, and print its id.")]
Within = Annotated[
    str | None, typer.Option("--within", metavar="TIME", help="Wait so long at most: 90s, 15m. The run goes on.")
]
Patience = Annotated[
    str | None,
    typer.Option(
        "--patience", metavar="TIME", help="What is away the run waits for until so long after its start (15m)."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no steps, only what came of it.")]

Step = Annotated[
    str | None,
    typer.Argument(metavar="[STEP]", help="The step that waits; may be left out where one does.", show_default=False),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so (default: your name here).")]
StartedBy = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who has it done, and so decides nothing in it (default: your name here)."
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; what is denied is explained by it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask no further.")]
Digest = Annotated[
    str | None,
    typer.Option("--digest", metavar="SHA256", help="Of what you saw: where it is another by now, nothing is done."),
]
Credential = Annotated[
    Path | None, typer.Option("--credential", metavar="FILE", help="A file with the signed credential of who decides.")
]
DecisionId = Annotated[
    str | None, typer.Option("--decision-id", metavar="ID", help="Your own name for it: sent twice, it counts once.")
]
Claims = Annotated[
    bool, typer.Option("--claims", help="Say nothing to the run: print what a credential for it has to sign.")
]
