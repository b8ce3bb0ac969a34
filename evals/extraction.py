"""Runs the extraction sets: for each schema ten documents through the real workflow and fast tier, with a floor."""

import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from activities.adapters.documents.plain import read_text
from activities.settings import load as load_settings
from agents.schemas import Schemas
from deploy.local.commands.session import session
from evals.extraction_cases import EXTRACTION, Case, Score, load, path_of, score_record
from evals.questions import HANDBOOK
from perdure.client import Platform
from perdure.contracts.chains.extraction import ExtractionSpec, FieldValue, Record
from perdure.contracts.runs.run import RunResult

FLOOR = 0.7
"""The least share of exactly right fields, over all documents that should give a record."""


@dataclass(frozen=True)
class Scored:
    """One document's result and its score."""

    schema: str
    case: Case
    result: RunResult
    score: Score


def judge(spec: ExtractionSpec, case: Case, result: RunResult, document: str) -> Score:
    """Score a run's result. A result without a record counts as a refusal; only `refused` has reasons."""
    record = getattr(result.outcome, "record", None)
    if isinstance(record, Record):
        return score_record(case, record, document)
    nothing = Record(fields=tuple(FieldValue(name=field.name, value=None) for field in spec.fields))
    return score_record(case, nothing, document, tuple(getattr(result.outcome, "reasons", ())))


async def extract_all(
    wanted: Sequence[tuple[ExtractionSpec, Case]], address: str, console: Console
) -> list[tuple[ExtractionSpec, Case, RunResult]]:
    """Extract one document after the other, with a bar: the model is the bottleneck."""
    series = uuid.uuid4().hex[:8]
    results: list[tuple[ExtractionSpec, Case, RunResult]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with await Platform.connect(address) as platform:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("documents", total=len(wanted))
            for spec, case in wanted:
                path = path_of(spec.name, case)
                result = await platform.extract(
                    path.read_bytes(),
                    name=path.name,
                    schema=spec.name,
                    business_id=f"extraction-{series}-{spec.name}-{case.id}",
                )
                results.append((spec, case, result))
                bar.console.print(f"{spec.name} {case.id}: {result.outcome.kind}")
                bar.advance(task)
    return results


def report(scored: Sequence[Scored], console: Console) -> None:
    """Print a line for each document, and the sums for each schema and for all."""
    table = Table("schema", "document", "expected", "outcome", "outcome ok", "fields", "wrong", "verbatim", box=None)
    for row in scored:
        score = row.score
        table.add_row(
            row.schema,
            row.case.id,
            row.case.outcome,
            row.result.outcome.kind,
            "yes" if score.outcome else "NO",
            f"{score.right}/{score.fields}" if score.fields else "-",
            ", ".join(score.wrong) or "-",
            f"{score.verbatim}/{score.quotes}",
        )
    console.print(table)
    for name in sorted({row.schema for row in scored}):
        console.print(f"{name}: {summary([row.score for row in scored if row.schema == name])}")
    console.print(f"all: {summary([row.score for row in scored])}")


def summary(scores: Sequence[Score]) -> str:
    """Return the sums in one line."""
    records = [score for score in scores if score.fields]
    refusals = [score for score in scores if not score.fields]
    return (
        f"fields {sum(score.right for score in scores)}/{sum(score.fields for score in scores)} "
        f"({field_accuracy(scores):.1%}), records {sum(score.record for score in records)}/{len(records)}, "
        f"refusals {sum(score.outcome for score in refusals)}/{len(refusals)}, "
        f"quotes verbatim {sum(score.verbatim for score in scores)}/{sum(score.quotes for score in scores)}"
    )


def field_accuracy(scores: Sequence[Score]) -> float:
    """Return the share of exactly right fields, 0 to 1; 0 where no record is expected."""
    return sum(score.right for score in scores) / max(1, sum(score.fields for score in scores))


def main(arguments: list[str]) -> int:
    """Run both sets, or those of the named schemas. Return 0 where the floor is met and all quotes are verbatim."""
    console = Console(width=160)
    schemas = Schemas(load_settings().paths.schema_folders)
    known = sorted(path.parent.name for path in EXTRACTION.glob("*/cases.toml"))
    if unknown := [name for name in arguments if name not in known]:
        sys.exit(f"evals: there is no extraction set {unknown[0]!r}: the sets are {', '.join(known)}")
    wanted = [(schemas.extraction(name), case) for name in arguments or known for case in load(name, "cases")]
    with session(HANDBOOK / "documents") as addresses:
        results = asyncio.run(extract_all(wanted, addresses.temporal, console))
    scored: list[Scored] = []
    for spec, case, result in results:
        path = path_of(spec.name, case)
        document = read_text(path.name, path.read_bytes())
        scored.append(Scored(spec.name, case, result, judge(spec, case, result, document)))
    report(scored, console)
    folder = load_settings().paths.state / "evals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extraction.json").write_text(json.dumps([_row(row) for row in scored], indent=1, ensure_ascii=False))
    scores = [row.score for row in scored]
    if sum(score.verbatim for score in scores) < sum(score.quotes for score in scores):
        console.print("a quote does not stand in its document: that is an error of the platform, not of the model")
        return 1
    if field_accuracy(scores) < FLOOR:
        console.print(f"below the floor: {field_accuracy(scores):.1%} of the fields, at least {FLOOR:.0%} are needed")
        return 1
    return 0


def _row(row: Scored) -> dict[str, Any]:
    result = row.result.model_dump(mode="json")
    return {"schema": row.schema, "id": row.case.id, **asdict(row.score), "result": result}
